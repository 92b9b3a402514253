"""The command line: `audio2shape generate | train | pretrained | data | evaluate | benchmark | doctor | view`.

This file reads arguments and calls one function a command; each command's own module is imported only when it runs.
Exit codes: 0 done, 1 doctor found a fault, 2 bad input (one line on standard error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from audio2shape_core import __version__, viewer
from audio2shape_core.alignment import pretrained
from audio2shape_core.cli import data as data_command
from audio2shape_core.errors import InputError
from audio2shape_core.files import replacing

TASKS = ("align", "autoencode", "diffuse", "judge")
EVALUATIONS = ("retrieval", "reconstruction", "generation", "refinement", "headings", "sweep", "tables")


def write_json(path: str | None, result: dict) -> None:
    """Write machine-readable results where a path is given."""
    if path is None:
        return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")


def check_writable(*paths: str | None) -> None:
    """Refuse outputs that cannot be written before any work is done for them; leaves nothing behind."""
    for path in filter(None, paths):
        folder = Path(path).resolve().parent
        while not folder.exists():
            folder = folder.parent
        try:
            if Path(path).is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            tempfile.TemporaryFile(
                dir=folder
            ).close()  # permission bits tell too little: a disk may be full or read-only
        except OSError as error:
            raise InputError(f"cannot write {path} ({error.strerror}); choose a place that can be written") from error


def read_image(path: str):
    """(H, W, 3) or, with transparency, (H, W, 4) uint8 RGB(A) of a picture file."""
    import cv2

    if not Path(path).is_file():
        raise InputError(f"no image at {path}; expected a PNG or JPEG file")
    picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype != "uint8":
        raise InputError(f"{path} is not a picture OpenCV can read; expected an 8-bit PNG or JPEG")
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def camera_of(args: argparse.Namespace, image):
    """The camera that --fx --fy --cx --cy and --view describe, or None where none of them is given."""
    import math

    from audio2shape_core.camera import DEFAULT_FOV_DEG, Camera

    if args.fx is None and args.fy is None and args.view is None:
        return None
    height, width = image.shape[:2]
    fx, fy = args.fx or args.fy, args.fy or args.fx
    if fx is None:
        fx = fy = 0.5 * max(width, height) / math.tan(math.radians(DEFAULT_FOV_DEG) / 2)
    cx = width / 2 if args.cx is None else args.cx
    cy = height / 2 if args.cy is None else args.cy
    pose = Camera.default(width, height).world_to_camera
    if args.view:
        fov = math.degrees(2 * math.atan(0.5 * max(width, height) / fx)) if fx > 0 else DEFAULT_FOV_DEG
        pose = Camera.look_at(*args.view, width=width, height=height, fov_deg=fov).world_to_camera
    return Camera(width, height, fx, fy, cx, cy, pose)


def progress_bar():
    """A `progress` callback that draws one bar a stage on standard error, and its closer."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def show(stage: str, step: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(total=total, desc=stage, disable=not sys.stderr.isatty(), leave=False)
        bars[stage].update(step - bars[stage].n)

    return show, lambda: [bar.close() for bar in bars.values()]


def generate(args: argparse.Namespace) -> None:
    check_writable(args.output, args.preview, args.json)
    from audio2shape_core.audio import load_audio
    from audio2shape_core.shape import SUFFIXES

    if Path(args.output).suffix not in SUFFIXES:
        raise InputError(f"--output {args.output}: expected a name ending in {', '.join(SUFFIXES)}")
    start = time.perf_counter()
    waveform = load_audio(args.audio)
    decode_ms = 1000 * (time.perf_counter() - start)
    image = read_image(args.image) if args.image else None
    camera = camera_of(args, image) if args.image else None
    mask = read_image(args.mask)[..., 0] if args.mask else None

    from audio2shape_core.pipeline import AudioToShape

    model = AudioToShape.load(args.weights, device=args.device)
    show, close = progress_bar()
    result = model.generate(
        waveform,
        image=image,
        camera=camera,
        pose_known=bool(image is not None and args.view),
        mask=mask,
        seed=args.seed,
        steps=args.steps,
        guidance=args.guidance,
        num_points=args.num_points,
        refine_steps=args.refine_steps,
        time_budget_s=args.time_budget,
        progress=show,
    )
    close()
    result.shape.save(args.output)
    if args.preview:
        from audio2shape_core.preview import save_preview

        save_preview(Path(args.preview), waveform, result, image)
    timings = {"decode": decode_ms, **result.timings_ms}
    timings["total"] += decode_ms
    write_json(
        args.json,
        {
            "label": result.heard.label,
            "confidence": result.heard.confidence,
            "familiarity": result.heard.familiarity,
            "scores": result.heard.scores,
            "timings_ms": {stage: round(ms, 2) for stage, ms in timings.items()},
            "num_points": len(result.shape.points),
            "seed": result.seed,
            "device": result.device,
            "weights_sha256": result.weights_sha256,
            "refined": bool(result.refined and result.refined.accepted),
            "camera_from_shape": result.shape.camera_from_shape.tolist(),
            "front_in_camera": result.shape.front_in_camera().tolist(),
            "output": args.output,
        },
    )
    note = "" if result.refined is None or result.refined.accepted else " (image not trusted: coarse shape kept)"
    print(
        f"{args.output}: {len(result.shape.points)} points, {result.heard.label} "
        f"(confidence {result.heard.confidence:.2f}), {timings['total'] / 1000:.2f} s{note}"
    )


def train(args: argparse.Namespace) -> None:
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
        from audio2shape_core.training.align import train_align as run
    elif args.task == "autoencode":
        from audio2shape_core.training.autoencode import train_autoencode as run
    elif args.task == "diffuse":
        from audio2shape_core.training.diffuse import train_diffuse as run

        common["weights"] = Path(args.weights) if args.weights else Path(args.output)
    else:
        from audio2shape_core.training.judge import train_judge as run
    print(run(preset, **common))


def evaluate(args: argparse.Namespace) -> None:
    check_writable(args.json, args.picture)
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


def benchmark(args: argparse.Namespace) -> None:
    check_writable(args.json)
    from audio2shape_core.benchmark import run_benchmark

    result = run_benchmark(weights=args.weights, device=args.device)
    print(json.dumps(result, indent=2))
    write_json(args.json, result)


def doctor(args: argparse.Namespace) -> int:
    from audio2shape_core.doctor import run_doctor

    result, well = run_doctor(args.weights)
    write_json(args.json, result)
    return 0 if well else 1


def add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="also write machine-readable results here")
    parser.add_argument("--weights", metavar="DIR", help="folder of checkpoints (default: the ones that ship)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def count(low: int, high: int):
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


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audio2shape", description="Imagine the 3D shape of what is heard.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    p = commands.add_parser("generate", help="a sound in, a coloured point cloud out")
    p.add_argument("audio", metavar="AUDIO", help="wav, flac, ogg or mp3, any rate, channels and length")
    p.add_argument("--image", metavar="IMG", help="camera frame to refine the shape with (PNG or JPEG)")
    p.add_argument(
        "--mask", metavar="FILE", help="picture of the image's size, white where the object is; else it is found"
    )
    for name, meaning in (
        ("fx", "focal length"),
        ("fy", "focal length"),
        ("cx", "principal point"),
        ("cy", "principal point"),
    ):
        p.add_argument(f"--{name}", type=float, help=f"{meaning} of the camera, pixels")
    p.add_argument(
        "--view",
        nargs=2,
        type=float,
        metavar=("AZ", "EL"),
        help="where the camera stood, degrees from the "
        "shape's front and above it, if known: no pose is searched, the shape fills the frame",
    )
    p.add_argument(
        "--output",
        default="out.ply",
        metavar="FILE",
        help=".ply, .npz, .obj, .splat or .3dgs.ply (default: out.ply); the last two hold the 3D Gaussians",
    )
    p.add_argument("--preview", metavar="PNG", help="also draw what was heard, imagined and refined")
    p.add_argument("--seed", type=count(0, 2**31 - 1), default=0, help="same seed, same shape (default: 0)")
    p.add_argument("--steps", type=count(1, 1000), help="diffusion steps (default: the checkpoint's)")
    p.add_argument("--guidance", type=float, help="guidance scale, 1 = none (default: the checkpoint's)")
    p.add_argument("--num-points", type=count(256, 262_144), default=2048, help="points of the coarse cloud")
    p.add_argument("--refine-steps", type=count(0, 5000), default=300, help="3DGS steps with --image (default: 300)")
    p.add_argument(
        "--time-budget",
        type=float,
        metavar="S",
        help="stop refining (the search of the pose included) after so many seconds",
    )
    add_common(p)
    p.set_defaults(run=generate)

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
    p.set_defaults(run=train)

    pretrained.add_command(commands)
    data_command.add_command(commands, count)

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
    p.set_defaults(run=evaluate)

    p = commands.add_parser("benchmark", help="speed and memory of the whole way on this machine")
    add_common(p)
    p.set_defaults(run=benchmark)

    p = commands.add_parser("doctor", help="what is wrong with this machine, and how to mend it")
    add_common(p)
    p.set_defaults(run=doctor)

    viewer.add_command(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except InputError as error:
        print(f"audio2shape: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("audio2shape: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
