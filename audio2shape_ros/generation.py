"""What the worker does: a request in, a hypothesis out. No topic, no service, only the model."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from audio2shape_core.audio import rms_dbfs
from audio2shape_core.errors import Cancelled, InputError, Progress
from audio2shape_core.pipeline import AudioToShape, Generation
from audio2shape_core.shape import Shape
from audio2shape_ros.camera_input import View


class NoAudio(InputError):
    """Nothing to hear."""


class Silence(InputError):
    """Something to hear, but too quiet."""


class DeadlineMissed(Cancelled):
    """There was no shape yet when the deadline came."""


@dataclass(frozen=True)
class Request:
    """Make a shape. waveform: (S,) float32 mono 16 kHz, heard from `start` to `end`, seconds of the node's clock.

    The values are final: what a goal left open was filled in from the parameters. `deadline` is a time.monotonic().
    """

    waveform: np.ndarray
    start: float
    end: float
    seed: int
    steps: int | None
    guidance: float | None
    num_points: int
    view: View | None = None
    refine_steps: int = 0
    refine_budget_s: float = 5.0
    size_m: float = 0.0
    min_confidence: float = 0.0
    deadline: float | None = None
    progress: Progress | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    received: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Outcome:
    """A finished request. timings_ms holds the stages in order, and `total`."""

    request: Request
    generation: Generation
    shape: Shape
    refined: bool
    timings_ms: dict[str, float]
    rendering: np.ndarray | None = None


def draw_seed(wanted: int) -> int:
    """A seed as asked, or for a negative one a fresh one."""
    return wanted if wanted >= 0 else secrets.randbelow(2**31)


def check_level(waveform: np.ndarray, min_rms_dbfs: float) -> None:
    level = rms_dbfs(waveform)
    if level < min_rms_dbfs:
        raise Silence(f"silence ({level:.0f} dBFS), expected at least {min_rms_dbfs:.0f}: raise the microphone's gain")


def make_shape(model: AudioToShape, request: Request, on_coarse: Callable[[Shape], None] | None = None) -> Outcome:
    """Run one request. Raises Cancelled between two steps after `request.cancelled` is set, DeadlineMissed when the
    deadline comes before there is a shape, InputError for a sound that cannot be used."""

    def watch(stage: str, step: int, total: int) -> None:
        if request.cancelled.is_set():
            raise Cancelled
        # Refinement has a budget of its own: by then there is a shape to give back.
        if request.deadline and time.monotonic() > request.deadline and stage in ("decode", "encode", "diffuse"):
            raise DeadlineMissed
        if request.progress:
            request.progress(stage, step, total)

    watch("decode", 1, 1)
    generation = model.generate(
        request.waveform, seed=request.seed, steps=request.steps, guidance=request.guidance,
        num_points=request.num_points, progress=watch,
    )  # fmt: skip
    shape, refined, rendering = generation.shape, False, None
    timings = {stage: ms for stage, ms in generation.timings_ms.items() if stage != "total"}
    budget = request.refine_budget_s
    if request.deadline:
        budget = min(budget, request.deadline - time.monotonic())
    if request.view is not None and request.refine_steps > 0 and budget > 0:
        if on_coarse:
            on_coarse(shape)
        view = request.view
        shape, fitted = model.refine(
            shape, view.pixels, camera=view.camera, iterations=request.refine_steps, time_budget_s=budget,
            seed=request.seed, progress=watch,
        )  # fmt: skip
        refined, rendering = fitted.accepted, fitted.rendering
        timings |= {stage: 1000 * seconds for stage, seconds in fitted.seconds.items()}
    timings["total"] = 1000 * (time.monotonic() - request.received)
    return Outcome(request, generation, shape, refined, timings, rendering)


def warm_up(model: AudioToShape) -> None:
    """Make one small shape of nothing: kernels are compiled at their first call, which a first real sound should not
    wait for."""
    noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    image = np.full((96, 128, 3), 255, np.uint8)
    image[24:72, 32:96] = 60  # something to find
    model.generate(noise, image=image, steps=1, refine_steps=1)


def random_model(device: str) -> AudioToShape:
    """An untrained system of the tiny preset: what it draws means nothing, everything around it can be tested."""
    import torch

    from audio2shape_core import models
    from audio2shape_core.pipeline import choose_device
    from audio2shape_core.presets import PRESETS
    from audio2shape_core.vocabulary import VOCABULARY

    preset = PRESETS["tiny"]
    torch.manual_seed(0)
    encoder = models.build_tri_encoder(preset.alignment, VOCABULARY)
    autoencoder = models.build_autoencoder(preset.autoencoder)
    denoiser = models.build_denoiser(
        preset.denoiser, num_tokens=preset.autoencoder.num_tokens, latent_dim=preset.autoencoder.latent_dim,
        context_dim=preset.alignment.token_dim,
    )  # fmt: skip
    return AudioToShape(
        encoder=encoder.eval(), autoencoder=autoencoder.eval(), denoiser=denoiser.eval(), alignment=preset.alignment,
        diffusion=preset.denoiser, device=choose_device(device), weights_sha256="random",
    )  # fmt: skip


def load_model(weights_dir: str, device: str, *, allow_random: bool) -> AudioToShape:
    """The trained system; an untrained one where weights are missing and `allow_random` says so.

    Raises InputError: no weights, damaged weights, no such device.
    """
    from pathlib import Path

    from audio2shape_core.checkpoint import WEIGHTS

    folder = Path(weights_dir).expanduser() if weights_dir else WEIGHTS
    if allow_random and not any(folder.glob("*.safetensors")):
        return random_model(device)
    return AudioToShape.load(folder, device=device)
