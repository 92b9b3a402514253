"""`python -m audio2shape_core.cli`: the command line without its installed script."""

import sys

from audio2shape_core.cli.main import main

sys.exit(main())
