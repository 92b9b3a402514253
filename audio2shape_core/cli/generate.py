"""`audio2shape generate AUDIO...`: sounds in, coloured point clouds out."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from audio2shape_core.cli.arguments import add_common, add_setting, write_json
from audio2shape_core.errors import InputError
from audio2shape_core.files import check_paths
from audio2shape_core.settings import Listening, Refining, Sampling, Settings

if TYPE_CHECKING:
    import numpy as np

    from audio2shape_core.camera import Camera
    from audio2shape_core.frame import Frame
    from audio2shape_core.pipeline import AudioToShape
    from audio2shape_core.results import Generation, Step

SUFFIXES = (".ply", ".npz", ".obj", ".splat")
OF_THE_IMAGE = ("mask", "fx", "fy", "cx", "cy", "view", "refine_steps", "time_budget")  # options that need --image


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `generate` to the command line's parser."""
    p = commands.add_parser("generate", help="sounds in, coloured point clouds out")
    p.add_argument("audio", metavar="AUDIO", nargs="+", help="wav, flac, ogg or mp3, any rate, channels and length")
    p.add_argument(
        "--output",
        metavar="PATH",
        help=f"a file ending in {', '.join(SUFFIXES)} or .3dgs.ply (default: out.ply); the last two hold 3D Gaussians. "
        "Of several recordings, a folder (default: out), which gets a NAME.ply each",
    )
    p.add_argument(
        "--preview", metavar="PNG", help="also draw what was heard, imagined and refined; of several, a folder"
    )
    p.add_argument(
        "--channel", type=int, default=-1, metavar="N", help="the channel to hear, from 0 (default: the average of all)"
    )
    add_setting(p, Listening, "min_confidence")
    for name in ("seed", "steps", "guidance", "guided_share", "num_points"):
        add_setting(p, Sampling, name)
    p.add_argument("--image", metavar="IMG", help="camera frame to refine the shape with (PNG, JPEG, ...)")
    p.add_argument("--mask", metavar="FILE", help="picture of the image's size that marks the object; else it is found")
    for name in ("fx", "fy"):
        p.add_argument(f"--{name}", type=float, metavar="PX", help="focal length of the camera (default: 60 degrees)")
    for name in ("cx", "cy"):
        p.add_argument(f"--{name}", type=float, metavar="PX", help="principal point (default: the middle); needs --fx")
    p.add_argument(
        "--view",
        nargs=2,
        type=float,
        metavar=("AZ", "EL"),
        help="where the camera stood, degrees from the shape's front and above it, if known: no pose is searched, and "
        "the shape fills the frame",
    )
    add_setting(p, Refining, "iterations", "--refine-steps")
    add_setting(p, Refining, "time_budget_s", "--time-budget")
    add_common(p)
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 2 where a recording of several could not be used; the others are made all the same."""
    several = len(args.audio) > 1
    jobs = plan(args.audio, args.output, args.preview)
    inputs = [("AUDIO", path) for path in args.audio]
    inputs += [("--image", args.image), ("--mask", args.mask), ("--weights", args.weights)]
    outputs = [("--json", args.json), *(("--output", job[1]) for job in jobs), *(("--preview", job[2]) for job in jobs)]
    check_paths(inputs, outputs)
    refuse_idle_options(args)
    settings = Settings(
        Listening(args.min_confidence),
        Sampling(args.seed, args.steps, args.guidance, args.guided_share, args.num_points),
        Refining.given(iterations=args.refine_steps, time_budget_s=args.time_budget),
    )
    frame = read_frame(args) if args.image else None

    from audio2shape_core.audio import load_audio
    from audio2shape_core.stopwatch import Stopwatch

    model: AudioToShape | None = None
    results, refused = [], 0
    for audio, output, preview in jobs:
        watch = Stopwatch()
        try:
            with watch.stage("decode"):
                waveform = load_audio(audio, channel=args.channel)
        except InputError as error:
            if not several:
                raise
            print(f"audio2shape: {error}", file=sys.stderr)
            refused += 1
            continue
        with watch.paused():  # a bad recording is refused before the model is loaded
            model = model or load_model(args.weights, args.device)
        on_step, close = progress_bars()
        try:
            made = model.generate(waveform, frame=frame, settings=settings, stopwatch=watch, on_step=on_step)
        finally:
            close()
        write(made, waveform, output, preview, frame)
        results.append(describe(made, audio, output))
    write_json(args.json, {"results": results, "refused": refused} if several else results[0])
    return 2 if refused else 0


def load_model(weights: str | None, device: str) -> AudioToShape:
    from audio2shape_core.pipeline import AudioToShape

    return AudioToShape.load(weights, device=device)


def plan(audio: list[str], output: str | None, preview: str | None) -> list[tuple[str, str, str | None]]:
    """What to read and write: (recording, output, preview or None) for each recording."""
    if len(audio) == 1:
        output = output or "out.ply"
        if Path(output).suffix not in SUFFIXES:
            raise InputError(f"--output {output}: expected a name ending in {', '.join(SUFFIXES)}")
        return [(audio[0], output, preview)]
    for option, folder in (("--output", output), ("--preview", preview)):
        if folder and (Path(folder).suffix in (*SUFFIXES, ".png") or Path(folder).is_file()):
            raise InputError(f"{option} {folder}: of {len(audio)} recordings, expected a folder")
    jobs, taken = [], set()
    for path in audio:
        name, number = Path(path).stem, 1
        while (unique := name if number == 1 else f"{name}-{number}") in taken:
            number += 1
        taken.add(unique)
        jobs.append(
            (path, str(Path(output or "out", unique + ".ply")), preview and str(Path(preview, unique + ".png")))
        )
    return jobs


def refuse_idle_options(args: argparse.Namespace) -> None:
    """Raises InputError for options that would have no effect beside the others."""
    if not args.image:
        given = [name for name in OF_THE_IMAGE if getattr(args, name) is not None]
        if given:
            raise InputError(f"--{given[0].replace('_', '-')} without --image has no effect: give both or neither")
    elif args.refine_steps == 0:
        raise InputError("--image with --refine-steps 0 has no effect: leave one of them out")
    if args.guidance == 1 and args.guided_share is not None:
        raise InputError("--guided-share with --guidance 1, which is none, has no effect: leave one of them out")
    if (args.cx is not None or args.cy is not None) and args.fx is None and args.fy is None:
        raise InputError("--cx and --cy need a focal length: give --fx, too")


def read_frame(args: argparse.Namespace) -> Frame:
    """The camera frame that --image and the options about it describe."""
    from audio2shape_core.frame import Frame
    from audio2shape_core.pictures import read_mask, read_picture

    picture = read_picture(args.image)
    mask = read_mask(args.mask, picture) if args.mask else None
    camera = camera_of(args, picture.width, picture.height)
    if camera:
        camera = camera.resized(*picture.pixels.shape[1::-1])
    return Frame(picture.pixels, camera, pose_known=args.view is not None, mask=mask)


def camera_of(args: argparse.Namespace, width: int, height: int) -> Camera | None:
    """The camera that --fx --fy --cx --cy and --view describe, or None where none of them is given."""
    from audio2shape_core.camera import DEFAULT_FOV_DEG, Camera

    if args.fx is None and args.fy is None and args.view is None:
        return None
    focal = 0.5 * max(width, height) / math.tan(math.radians(DEFAULT_FOV_DEG) / 2)
    fx = next(value for value in (args.fx, args.fy, focal) if value is not None)
    fy = fx if args.fy is None else args.fy
    cx = width / 2 if args.cx is None else args.cx
    cy = height / 2 if args.cy is None else args.cy
    camera = Camera(width, height, fx, fy, cx, cy, Camera.default(width, height).world_to_camera)
    if args.view is None:
        return camera
    fov = math.degrees(2 * math.atan(0.5 * max(width, height) / fx))
    return camera.with_pose(Camera.look_at(*args.view, width=width, height=height, fov_deg=fov).world_to_camera)


def write(made: Generation, waveform: np.ndarray, output: str, preview: str | None, frame: Frame | None) -> None:
    """Write the shape and its picture, and say in a line what was made."""
    made.shape.save(output)
    if preview:
        from audio2shape_core.preview import save_preview

        save_preview(Path(preview), waveform, made, frame.image if frame else None)
    name = made.heard.label if made.known else f"unknown, most like {made.heard.label}"
    seconds = made.timings_ms["total"] / 1000
    print(
        f"{output}: {len(made.shape.points)} points, {name} (confidence {made.heard.confidence:.2f}), {seconds:.2f} s"
    )
    if made.notice:
        print(f"  {made.notice}")


def describe(made: Generation, audio: str, output: str) -> dict:
    """The result as plain data; what was not measured is None."""
    refined = bool(made.refined and made.refined.accepted)
    return {
        "audio": audio,
        "output": output,
        "label": made.heard.label,
        "known": made.known,
        "confidence": made.heard.confidence,
        "familiarity": made.heard.familiarity,
        "scores": made.heard.scores,
        "seen": {
            "there": None if made.refined is None else refined,
            "agreement": None,
            "box": None,
            "view": [round(angle, 1) for angle in made.refined.camera.view()] if made.refined and refined else None,
            "pose_source": made.pose_source,
        },
        "refined": refined,
        "camera_from_shape": made.shape.camera_from_shape.tolist(),
        "front_in_camera": made.shape.front_in_camera().tolist(),
        "timings_ms": {stage: round(ms, 2) for stage, ms in made.timings_ms.items()},
        "num_points": len(made.shape.points),
        "seed": made.seed,
        "device": made.device,
        "weights_sha256": made.weights_sha256,
        "notice": made.notice,
    }


def progress_bars() -> tuple[Callable[[Step], None], Callable[[], None]]:
    """An `on_step` that draws one bar a stage on standard error, and what closes them."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def show(step: Step) -> None:
        if step.stage not in bars:
            bars[step.stage] = tqdm(total=step.total, desc=step.stage, disable=not sys.stderr.isatty(), leave=False)
        bars[step.stage].update(step.step - bars[step.stage].n)

    def close() -> None:
        for bar in bars.values():
            bar.close()

    return show, close
