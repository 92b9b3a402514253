"""The command line: `audio2shape COMMAND ...`, one file a command beside this one.

A command's file declares its arguments; what does the work is imported when the command runs.
Exit codes: 0 done, 1 doctor found a fault, 2 bad input (one line on standard error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import sys
from typing import NoReturn

from audio2shape_core import __version__
from audio2shape_core.cli import benchmark, data, doctor, evaluate, generate, pretrained, train, view
from audio2shape_core.errors import InputError

COMMANDS = (generate, view, train, pretrained, data, evaluate, benchmark, doctor)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audio2shape", description="Imagine the 3D shape of what is heard.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    args = build_parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except InputError as error:
        print(f"audio2shape: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("audio2shape: interrupted", file=sys.stderr)
        return 130


def entry() -> NoReturn:
    """The installed script: `main`, and out. Python would spend 0.4 s on taking torch's libraries down."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if multiprocessing.active_children():
        sys.exit(code)  # they are waited for
    os._exit(code)
