"""`audio2shape data build | render | check`: the arguments, and one call each."""

from __future__ import annotations

import argparse
from pathlib import Path

from audio2shape_core.cli.arguments import count, write_json
from audio2shape_core.files import check_paths
from audio2shape_core.vocabulary import Vocabulary

MOST = 100_000  # items a class and split: seeds of the splits lie half a million apart


def build(args: argparse.Namespace) -> None:
    from audio2shape_core.synthetic.data_set import Counts, build_set

    labels = tuple(dict.fromkeys(args.classes.split(","))) if args.classes else Vocabulary.default().names
    counts = Counts(tuple(args.sounds), tuple(args.shapes), tuple(args.photos))
    print(f"{args.folder}: {build_set(Path(args.folder), labels, counts, args.seed)} items of {len(labels)} classes")


def render(args: argparse.Namespace) -> None:
    from audio2shape_core.synthetic.data_set import render_set

    print(f"{args.output}: {render_set(Path(args.folder), Path(args.output), args.views, args.seed)} pictures")


def check(args: argparse.Namespace) -> int:
    """Exit code 2 where a row is faulty."""
    from audio2shape_core.data.check import check_set

    check_paths([("DIR", args.folder)], [("--json", args.json)])
    report = check_set(Path(args.folder))
    result = report.to_dict()
    for fault in report.faults:
        print(f"line {fault.line}: {fault.item}: {fault.text}")
    for note in report.notes:
        print(f"note: {note}")
    for kind, splits in result["counts"].items():
        print(f"{kind}: " + (", ".join(f"{count} {split}" for split, count in splits.items()) or "none"))
    print(f"{report.rows} rows, {result['faulty_rows'] or 'none'} faulty")
    write_json(args.json, result)
    return 2 if report.faults else 0


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `data` to the command line's parser."""
    p = commands.add_parser(
        "data",
        help="make a data set, render its shapes, or say what is wrong with one",
        description="A data set is a folder with audio/, shapes/, photos/ and MANIFEST.csv, whose columns are kind "
        "(audio, shape or photo), class, item (a path below the folder; of a shape, shapes/<class>.npz:<id>), split, "
        "group (what must not be divided between splits), and, if you like, source_repo, source_path, licence.",
    )
    actions = p.add_subparsers(dest="action", required=True, metavar="ACTION")

    p = actions.add_parser("build", help="a complete set of procedural shapes, synthesised sounds and renders")
    p.add_argument("folder", metavar="DIR", help="a new or empty folder")
    p.add_argument("--classes", metavar="A,B,...", help="names, comma between them (default: the vocabulary)")
    for name, default in (("sounds", (40, 10)), ("shapes", (20, 5)), ("photos", (20, 5))):
        p.add_argument(
            f"--{name}",
            nargs=2,
            type=count(0, MOST),
            default=default,
            metavar=("TRAIN", "TEST"),
            help=f"{name} a class (default: {default[0]} {default[1]})",
        )
    p.add_argument("--seed", type=count(0, 10_000), default=0, help="sets of two seeds share nothing (default: 0)")
    p.set_defaults(run=build)

    p = actions.add_parser("render", help="pictures of a set's shapes, as a set of photos")
    p.add_argument("folder", metavar="DIR", help="a data set with shapes")
    p.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder")
    p.add_argument("--views", type=count(1, 1000), default=4, help="pictures a shape (default: 4)")
    p.add_argument("--seed", type=count(0, 10_000), default=0, help="same seed, same views (default: 0)")
    p.set_defaults(run=render)

    p = actions.add_parser("check", help="every fault of a set by row; exit code 2 if there is one")
    p.add_argument("folder", metavar="DIR", help="the data set")
    p.add_argument("--json", metavar="FILE", help="also write the report here")
    p.set_defaults(run=check)
