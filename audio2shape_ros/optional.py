"""What the node uses where it is installed: other packages' messages, tf2. The doctor reads it too, so nothing is
imported here that could itself be missing."""

from __future__ import annotations

import importlib
from typing import Any


def optional(module: str, name: str = "") -> Any | None:
    """A module of another ROS package, or what it calls `name`; None where either is missing."""
    try:
        found = importlib.import_module(module)
    except ImportError:
        return None
    return getattr(found, name, None) if name else found
