"""What `ros2 run` and `ros2 launch` start: a node's main(), or one line about the library that is missing."""

from __future__ import annotations

import importlib
import sys

from audio2shape_core.doctor import of_a_library, remedy


def run(module: str) -> None:
    """Run `main` of audio2shape_ros.<module>. Python libraries come from pip, which colcon does not see to."""
    try:
        main = importlib.import_module(f"audio2shape_ros.{module}").main
    except (ImportError, OSError) as error:
        if not of_a_library(error):
            raise
        sys.exit(f"{module}: {error}: {remedy(error)}; `ros2 run audio2shape_ros doctor` lists all that is missing")
    main()
