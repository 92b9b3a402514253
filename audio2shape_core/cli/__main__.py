"""`python -m audio2shape_core.cli`: the command line without its installed script."""

from audio2shape_core.cli.main import entry

entry()
