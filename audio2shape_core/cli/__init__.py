"""The command line, one file a command."""

from audio2shape_core.cli.main import main

__all__ = ["main"]
