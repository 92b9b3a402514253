"""`audio2shape evaluate`: its arguments, and one call of the evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path

from audio2shape_core.cli.arguments import add_common, named_folder, write_json
from audio2shape_core.files import check_paths

EVALUATIONS = ("retrieval", "reconstruction", "generation", "refinement", "headings", "sweep", "tables")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `evaluate` to the command line's parser."""
    p = commands.add_parser("evaluate", help="measure on a split of a data set")
    p.add_argument("what", choices=EVALUATIONS)
    p.add_argument("--data", required=True, metavar="DIR")
    p.add_argument("--split", default="test")
    p.add_argument(
        "--picture",
        metavar="PNG",
        help="also draw what was measured (retrieval: the confusion matrix; "
        "reconstruction: interpolations; generation: a contact sheet; refinement: photographs; "
        "sweep: curves)",
    )
    p.add_argument(
        "--ablation",
        action="append",
        default=[],
        type=named_folder,
        metavar="NAME=DIR",
        help="generation, reconstruction: measure DIR too, trained without a part; repeatable",
    )
    add_common(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    ablations = [("--ablation", folder) for _, folder in args.ablation]
    inputs = [("--data", args.data), ("--weights", args.weights), *ablations]
    check_paths(inputs, [("--json", args.json), ("--picture", args.picture)])
    from audio2shape_core.evaluation import run

    result = run.evaluate(
        args.what,
        Path(args.data),
        args.split,
        weights=args.weights,
        device=args.device,
        picture=args.picture,
        ablations=dict(args.ablation),
    )
    write_json(args.json, result)
