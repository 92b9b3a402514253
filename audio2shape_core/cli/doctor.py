"""`audio2shape doctor`: what is wrong with this machine, and how to mend it."""

from __future__ import annotations

import argparse

from audio2shape_core.cli.arguments import add_common, write_json
from audio2shape_core.files import check_paths


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `doctor` to the command line's parser."""
    p = commands.add_parser("doctor", help="what is wrong with this machine, and how to mend it")
    add_common(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where something must be mended."""
    check_paths([("--weights", args.weights)], [("--json", args.json)])
    from audio2shape_core.doctor import run_doctor

    result, well = run_doctor(args.weights, args.device)
    write_json(args.json, result)
    return 0 if well else 1
