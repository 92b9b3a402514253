"""What the model's process does with a request. torch is imported by what needs it, so that the node can name these
functions without paying for it."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE, resample
from audio2shape_core.errors import Progress
from audio2shape_core.frame import Frame
from audio2shape_core.results import OnStep, Step
from audio2shape_core.settings import Refining, Sampling, Settings
from audio2shape_core.shape import Shape
from audio2shape_core.stopwatch import Stopwatch
from audio2shape_ros.errors import OutOfMemory
from audio2shape_ros.model.messages import Model, ModelInfo, ModelOptions, Outcome, Request


def make_shape(
    model: Model, request: Request, progress: Progress | None = None, on_preview: Callable[[Shape], None] | None = None
) -> Outcome:
    """Run one request. `progress` may raise Cancelled; `on_preview` gets unfinished shapes.

    Where memory runs out, caches are freed and the shape is made once more, without refinement and at its usual size.
    Raises DeadlineMissed when the deadline comes before there is a shape, OutOfMemory, InputError for a sound that
    cannot be used.
    """
    try:
        return attempt(model, request, progress, on_preview)
    except Exception as error:
        if not out_of_memory(error):
            raise
    free_memory()
    sampling = request.settings.sampling
    small = replace(sampling, num_points=min(sampling.num_points, Sampling().num_points))
    try:
        settings = replace(request.settings, sampling=small)
        outcome = attempt(model, replace(request, frame=None, settings=settings), progress, None)
    except Exception as error:
        if not out_of_memory(error):
            raise
        free_memory()
        raise OutOfMemory("out of memory: lower shape.num_points, or set device to cpu") from None
    return replace(outcome, notice=f"out of memory: made again with {small.num_points} points, without refinement")


def attempt(
    model: Model, request: Request, progress: Progress | None, on_preview: Callable[[Shape], None] | None
) -> Outcome:
    def on_step(step: Step) -> None:
        if progress:
            progress(step.stage, step.step, step.total)
        if not on_preview or not step.estimate:
            return
        every = request.preview_steps
        due = every and step.step % every == 0 and step.step < step.total
        if request.frame is not None if step.stage == "decode_shape" else due:
            on_preview(step.estimate())

    watch = Stopwatch(request.received)
    with watch.stage("decode"):
        waveform = resample(request.waveform, request.sample_rate, SAMPLE_RATE)
    on_step(Step("decode", 1, 1))
    made = model.generate(
        waveform,
        frame=request.frame,
        settings=request.settings,
        deadline=request.deadline,
        stopwatch=watch,
        on_step=on_step,
    )
    return Outcome(
        shape=made.shape,
        confidence=float(made.heard.confidence),
        known=made.known,
        refined=made.refined is not None and made.refined.accepted,
        pose_source=made.pose_source,
        seed=made.seed,
        device=made.device,
        weights_sha256=made.weights_sha256,
        timings_ms=made.timings_ms,
        rendering=made.refined.rendering if made.refined else None,
        notice=made.notice,
    )


def out_of_memory(error: Exception) -> bool:
    """Whether the host or the GPU had no memory left. torch is not imported for the answer."""
    torch = sys.modules.get("torch")
    return isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError))


def free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def beyond_repair(error: Exception) -> bool:
    """Whether every later call of this process must fail too: after a failed kernel, CUDA answers nothing else."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error)


def describe(model: Model) -> ModelInfo:
    info = ModelInfo(str(model.device), model.weights_sha256, rasterizer="numba")
    if not info.device.startswith("cuda"):
        return info
    import torch

    gsplat = "gsplat" if importlib.util.find_spec("gsplat") else "none: pip install gsplat"
    free, total = torch.cuda.mem_get_info(info.device)
    name = torch.cuda.get_device_name(info.device)
    return replace(info, rasterizer=gsplat, name=name, used_mib=(total - free) >> 20, total_mib=total >> 20)


def warm_up(model: Model, on_step: OnStep) -> None:
    """Make one small shape of noise: kernels are compiled at their first call, which a first real sound should not wait
    for."""
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    image = np.full((96, 128, 3), 255, np.uint8)
    image[24:72, 32:96] = 60  # something to find
    settings = Settings(sampling=Sampling(steps=1), refining=Refining(iterations=1))
    model.generate(noise, frame=Frame(image), settings=settings, on_step=on_step)


def load_model(options: ModelOptions) -> Model:
    """The trained system; an untrained one where weights are missing and `allow_random` says so.

    Raises InputError: no weights, damaged weights, no such device.
    """
    os.environ["NUMBA_NUM_THREADS"] = str(options.cpu_threads)  # read once, when numba is imported
    import torch

    from audio2shape_core.checkpoint import WEIGHTS
    from audio2shape_core.pipeline import AudioToShape

    torch.set_num_threads(options.cpu_threads)
    folder = Path(options.weights_dir).expanduser() if options.weights_dir else WEIGHTS
    if options.allow_random and not any(folder.glob("*.safetensors")):
        return AudioToShape.untrained(device=options.device)
    return AudioToShape.load(folder, device=options.device)
