"""`audio2shape train`: its arguments, and one call of the recipe."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from audio2shape_core.cli.arguments import count

# task: (module and function of its recipe, what it does, what --without can leave out)
TASKS = {
    "align": ("align", "train_align", "the three encoders, in one space", "a loss term, such as audio-point"),
    "autoencode": ("autoencode", "train_autoencode", "the autoencoder of point clouds (PC-VQ-VAE)", "codebook"),
    "diffuse": ("diffuse", "train_diffuse", "the denoiser, after align and autoencode", "alignment or attention"),
    "judge": ("judge", "train_judge", "the classifier that judges generated shapes", ""),
}


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `train` to the command line's parser."""
    tasks = commands.add_parser("train", help="train one stage on a data set folder").add_subparsers(
        dest="task", required=True, metavar="TASK"
    )
    for task, (module, function, what, parts) in TASKS.items():
        p = tasks.add_parser(task, help=what, description=f"Train {what}.")
        p.add_argument(
            "--data", required=True, metavar="DIR", help="folder with MANIFEST.csv, audio/, shapes/, photos/"
        )
        p.add_argument("--output", required=True, metavar="DIR", help="checkpoints, state, log and made items go here")
        p.add_argument(
            "--vocabulary",
            metavar="FILE",
            help="JSON file of the classes and their sizes, as audio2shape_core/assets/vocabulary.json; what the data "
            "lacks of them is made (default: the classes of that file that the data has)",
        )
        p.add_argument(
            "--preset", default="tiny", choices=("tiny", "paper"), help="paper: the paper's sizes, for a GPU"
        )
        p.add_argument("--resume", action="store_true", help="go on from the state in --output")
        each = ", each of the three encoders" if task == "align" else ""
        p.add_argument(
            "--steps", type=count(1, 10_000_000), metavar="N", help=f"steps to train{each} (default: the preset's)"
        )
        p.add_argument(
            "--batch-size", type=count(1, 65_536), metavar="N", help="samples a step (default: the preset's)"
        )
        if task == "align":
            p.add_argument(
                "--pretrained", default="", metavar="DIR", help="paper: what `audio2shape pretrained` fetched"
            )
        if task == "diffuse":
            p.add_argument("--weights", metavar="DIR", help="align and autoencode checkpoints (default: --output)")
        without = f"ablation: leave out {parts}; repeatable" if parts else argparse.SUPPRESS
        p.add_argument("--without", action="append", default=[], metavar="PART", help=without)
        p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
        p.set_defaults(run=run, recipe=(module, function))


def run(args: argparse.Namespace) -> None:
    from audio2shape_core.device import choose_device
    from audio2shape_core.presets import PRESETS
    from audio2shape_core.training.run import Run
    from audio2shape_core.vocabulary import Vocabulary

    changes = {name: getattr(args, name) for name in ("steps", "batch_size") if getattr(args, name) is not None}
    job = Run(
        preset=PRESETS[args.preset].with_changes(args.task, **changes),
        data=Path(args.data),
        output=Path(args.output),
        device=choose_device(args.device),
        vocabulary=Vocabulary.read(args.vocabulary) if args.vocabulary else None,
        weights=Path(args.weights) if getattr(args, "weights", None) else None,
        resume=args.resume,
        without=frozenset(args.without),
        pretrained=getattr(args, "pretrained", ""),
    )
    module, function = args.recipe
    print(getattr(import_module(f"audio2shape_core.training.{module}"), function)(job))
    print("made beside the data: " + ", ".join(f"{count} {kind}" for kind, count in job.completion.made.items()))
