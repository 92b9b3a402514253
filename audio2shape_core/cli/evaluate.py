"""`audio2shape evaluate`: one sub-command an evaluation, each with the options that act on it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from audio2shape_core.cli.arguments import named_folder, write_json
from audio2shape_core.evaluation.registry import EVALUATIONS, evaluate
from audio2shape_core.files import check_paths


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `evaluate` to the command line's parser."""
    kinds = commands.add_parser("evaluate", help="measure on a split of a data set").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    for name, evaluation in EVALUATIONS.items():
        p = kinds.add_parser(name, help=evaluation.what, description=f"Measure: {evaluation.what}.")
        p.add_argument("--data", required=True, metavar="DIR", help="folder with MANIFEST.csv")
        p.add_argument("--split", default="test", help="split to measure on (default: test)")
        p.add_argument("--json", metavar="FILE", help="also write machine-readable results here")
        options: dict[str, tuple[str, dict[str, Any]]] = {
            "weights": ("--weights", {"metavar": "DIR", "help": "folder of checkpoints (default: the ones that ship)"}),
            "device": ("--device", {"default": "auto", "help": "auto, cpu, cuda or cuda:N (default: auto)"}),
            "picture": ("--picture", {"metavar": "PNG", "help": f"also draw {evaluation.picture} here"}),
            "made": ("--without-made", {"action": "store_true", "help": "make nothing that the data lacks"}),
            "robustness": (
                "--without-robustness",
                {"action": "store_true", "help": "leave out noise, echo and the like"},
            ),
            "ablations": (
                "--ablation",
                {
                    "action": "append",
                    "default": [],
                    "type": named_folder,
                    "metavar": "NAME=DIR",
                    "help": "measure DIR too, trained without a part; repeatable",
                },
            ),
        }
        for option in evaluation.options:
            flag, how = options[option]
            p.add_argument(flag, **how)
        p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    given = vars(args)
    picture, weights, ablations = given.get("picture"), given.get("weights"), given.get("ablation", [])
    inputs = [("--data", args.data), ("--weights", weights), *(("--ablation", folder) for _, folder in ablations)]
    check_paths(inputs, [("--json", args.json), ("--picture", picture)])
    result = evaluate(
        args.what,
        Path(args.data),
        args.split,
        weights=Path(weights) if weights else None,
        device=given.get("device", "auto"),
        picture=Path(picture) if picture else None,
        ablations=dict(ablations),
        made=not given.get("without_made"),
        robustness=not given.get("without_robustness"),
    )
    write_json(args.json, result)
