"""`audio2shape benchmark`: speed and memory of the whole way on this machine."""

from __future__ import annotations

import argparse
import json

from audio2shape_core.cli.arguments import add_common, write_json
from audio2shape_core.files import check_paths


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `benchmark` to the command line's parser."""
    p = commands.add_parser("benchmark", help="speed and memory of the whole way on this machine")
    add_common(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    check_paths([("--weights", args.weights)], [("--json", args.json)])
    from audio2shape_core.benchmark import run_benchmark

    result = run_benchmark(weights=args.weights, device=args.device)
    print(json.dumps(result, indent=2))
    write_json(args.json, result)
