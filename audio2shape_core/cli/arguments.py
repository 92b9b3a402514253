"""What several commands share: argument types, outputs that must be writable, results as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from audio2shape_core.files import replacing
from audio2shape_core.settings import default_of, limits_of, problem_of


def write_json(path: str | None, result: dict) -> None:
    """Write machine-readable results where a path is given."""
    if path is None:
        return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")


def add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="also write machine-readable results here")
    parser.add_argument("--weights", metavar="DIR", help="folder of checkpoints (default: the ones that ship)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def add_setting(parser: argparse.ArgumentParser, parcel: type, name: str, option: str | None = None) -> None:
    """Add an option for one field of a parcel of settings. Not given, it is the field's default.

    An option of its own name keeps None where it is not given, so that a command can tell whether it was.
    """
    limits, default = limits_of(parcel)[name], default_of(parcel, name)

    def parse(text: str) -> float:
        try:
            value = int(text) if limits.whole else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}: expected a {'whole ' * limits.whole}number") from None
        if problem := problem_of("", value, limits, default):
            raise argparse.ArgumentTypeError(problem.strip())
        return value

    known = "" if default is None else f" (default: {default})"
    parser.add_argument(
        option or f"--{name.replace('_', '-')}",
        type=parse,
        default=None if option else default,
        metavar="S" if limits.unit == "s" else "N",
        help=f"{limits.description} {limits.span}.{known}",
    )


def count(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number between two bounds."""

    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is out of range; expected {low} to {high}")
        return value

    parse.__name__ = "whole number"
    return parse


def named_folder(text: str) -> tuple[str, Path]:
    """An argparse type: NAME=DIR, where DIR exists."""
    name, _, folder = text.partition("=")
    if not name or not Path(folder).is_dir() or not folder:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=DIR with a folder of checkpoints")
    return name, Path(folder)
