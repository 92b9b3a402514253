"""What the model process does with a request. No topic, no service, only the model; torch is imported by what needs it,
so that the node can name these functions without paying for it."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE, resample
from audio2shape_core.errors import Progress
from audio2shape_core.frame import Frame
from audio2shape_core.settings import Refining, Sampling, Settings
from audio2shape_core.shape import Shape
from audio2shape_core.stopwatch import Stopwatch
from audio2shape_ros.requests.requests import ModelInfo, ModelOptions, Outcome, OutOfMemory, Request

if TYPE_CHECKING:
    from audio2shape_core.pipeline import AudioToShape
    from audio2shape_core.results import Step

DEFAULT_POINTS = 2048  # what the decoder gives by itself


def make_shape(
    model: AudioToShape,
    request: Request,
    progress: Progress | None = None,
    on_preview: Callable[[Shape], None] | None = None,
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
    try:
        small = replace(request, view=None, num_points=min(request.num_points, DEFAULT_POINTS))
        outcome = attempt(model, small, progress, None)
    except Exception as error:
        if not out_of_memory(error):
            raise
        free_memory()
        raise OutOfMemory("out of memory: lower shape.num_points, or set device to cpu") from None
    return replace(outcome, notice=f"out of memory: made again with {small.num_points} points, without refinement")


def attempt(
    model: AudioToShape, request: Request, progress: Progress | None, on_preview: Callable[[Shape], None] | None
) -> Outcome:
    frame = None if request.view is None else Frame(request.view.pixels, request.view.camera)
    if frame is not None and request.refine_steps == 0:
        frame = None

    def on_step(step: Step) -> None:
        if progress:
            progress(step.stage, step.step, step.total)
        if not on_preview or not step.estimate:
            return
        last = step.stage == "decode_shape"
        due = request.preview_steps and step.step % request.preview_steps == 0 and step.step < step.total
        if frame is not None if last else due:
            on_preview(step.estimate())

    watch = Stopwatch(request.received)
    with watch.stage("decode"):
        waveform = resample(request.waveform, request.sample_rate, SAMPLE_RATE)
    if progress:
        progress("decode", 1, 1)
    generation = model.generate(
        waveform,
        frame=frame,
        settings=Settings(
            sampling=Sampling(request.seed, request.steps, request.guidance, num_points=request.num_points),
            refining=Refining(request.refine_steps, request.refine_budget_s),
        ),
        deadline=request.deadline,
        stopwatch=watch,
        on_step=on_step,
    )
    refined = generation.refined
    return Outcome(
        shape=generation.shape,
        confidence=float(generation.heard.confidence),
        refined=refined is not None and refined.accepted,
        seed=generation.seed,
        device=generation.device,
        weights_sha256=generation.weights_sha256,
        timings_ms=generation.timings_ms,
        rendering=refined.rendering if refined else None,
        notice=generation.notice,
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


def describe(model: AudioToShape) -> ModelInfo:
    info = ModelInfo(str(model.device), model.weights_sha256, rasterizer="numba")
    if not info.device.startswith("cuda"):
        return info
    gsplat = "gsplat" if importlib.util.find_spec("gsplat") else "none: pip install gsplat"
    import torch

    free, total = torch.cuda.mem_get_info(model.device)
    name = torch.cuda.get_device_name(model.device)
    return replace(info, rasterizer=gsplat, name=name, used_mib=(total - free) >> 20, total_mib=total >> 20)


def warm_up(model: AudioToShape) -> None:
    """Make one small shape of nothing: kernels are compiled at their first call, which a first real sound should not
    wait for."""
    noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    image = np.full((96, 128, 3), 255, np.uint8)
    image[24:72, 32:96] = 60  # something to find
    settings = Settings(sampling=Sampling(steps=1), refining=Refining(iterations=1))
    model.generate(noise, frame=Frame(image), settings=settings)


def load_model(options: ModelOptions) -> AudioToShape:
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
