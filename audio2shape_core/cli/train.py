"""`audio2shape train`: its arguments, and one call of the recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from audio2shape_core.cli.arguments import count
from audio2shape_core.errors import InputError

TASKS = ("align", "autoencode", "diffuse", "judge")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `train` to the command line's parser."""
    p = commands.add_parser("train", help="train one stage on a data set folder")
    p.add_argument("task", choices=TASKS)
    p.add_argument("--preset", default="tiny", choices=("tiny", "paper"), help="paper: the paper's sizes, for a GPU")
    p.add_argument("--pretrained", default="", metavar="DIR", help="paper: what `audio2shape pretrained DIR` fetched")
    p.add_argument("--data", required=True, metavar="DIR", help="folder with MANIFEST.csv, audio/, shapes/, photos/")
    p.add_argument("--output", required=True, metavar="DIR", help="checkpoints, state and log go here")
    p.add_argument("--resume", action="store_true", help="go on from the state in --output")
    p.add_argument(
        "--steps", type=count(1, 10_000_000), metavar="N", help="train so many steps (default: the preset's)"
    )
    p.add_argument(
        "--batch-size", type=count(1, 65_536), metavar="N", help="of so many samples (default: the preset's)"
    )
    p.add_argument("--weights", metavar="DIR", help="trained align and autoencode checkpoints (default: --output)")
    p.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="PART",
        help="ablation: leave out (align: a "
        "loss term such as audio-point; autoencode: codebook; diffuse: alignment or attention)",
    )
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from audio2shape_core.alignment import pretrained
    from audio2shape_core.pipeline import choose_device
    from audio2shape_core.presets import PRESETS

    device, preset = choose_device(args.device), PRESETS[args.preset].with_pretrained(args.pretrained)
    asked = {"steps": args.steps, "batch_size": args.batch_size}
    if changes := {name: value for name, value in asked.items() if value is not None}:
        if args.task == "align":
            raise InputError(
                "--steps and --batch-size: align trains three encoders, each by a recipe of its own; "
                "change them in audio2shape_core/presets.py"
            )
        preset = preset.with_recipe(args.task, **changes)
    common = {
        "data": Path(args.data),
        "output": Path(args.output),
        "resume": args.resume,
        "device": device,
        "without": frozenset(args.without),
    }
    if args.task == "align":
        pretrained.check(preset.alignment)
        from audio2shape_core.training.align import train_align as recipe
    elif args.task == "autoencode":
        from audio2shape_core.training.autoencode import train_autoencode as recipe
    elif args.task == "diffuse":
        from audio2shape_core.training.diffuse import train_diffuse as recipe

        common["weights"] = Path(args.weights) if args.weights else Path(args.output)
    else:
        from audio2shape_core.training.judge import train_judge as recipe
    print(recipe(preset, **common))
