"""The command line: `audio2shape generate | train | pretrained | data | evaluate | benchmark | doctor | view`.

This file reads arguments and calls one function a command; each command's own module is imported only when it runs.
Exit codes: 0 done, 1 doctor found a fault, 2 bad input (one line on standard error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from audio2shape_core import __version__, viewer
from audio2shape_core.alignment import pretrained
from audio2shape_core.cli import data, evaluate, train
from audio2shape_core.cli.arguments import add_common, check_writable, count, write_json
from audio2shape_core.errors import InputError


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

    train.add_parser(commands)
    pretrained.add_command(commands)
    data.add_parser(commands)
    evaluate.add_parser(commands)

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
