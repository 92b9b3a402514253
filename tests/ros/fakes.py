"""A model that costs nothing and fails on demand, given to the node in place of the trained one."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from audio2shape_core.camera import Camera
from audio2shape_core.errors import InputError
from audio2shape_core.shape import Shape
from audio2shape_ros.requests.requests import ModelOptions

STEP_S = 0.005
SLOW, SLOW_STEP_S = 77, 0.05  # a seed whose shape takes its time, and how much a step
POINTS = 2048  # more than this does not fit into the fake's memory
# Seeds that make it fail.
KILLED, CRASHED, CUDA, BROKEN, NO_MEMORY, NO_MEMORY_REFINING, DEAF, NO_RASTERIZER, UNPUBLISHABLE = range(101, 110)


class FakeModel:
    """Answers as AudioToShape does, from its arguments alone."""

    device = "cpu"
    weights_sha256 = "fake"

    def generate(
        self, waveform, *, seed=0, steps=None, guidance=None, num_points=256, progress=None, on_estimate=None, **_
    ):
        fail(seed)
        if seed == NO_MEMORY or num_points > POINTS:
            raise MemoryError
        tell = progress or (lambda *_: None)
        tell("encode", 1, 1)
        total = steps or 4
        rng = np.random.default_rng([seed, len(waveform), int(1e6 * float(np.square(waveform).mean()))])
        points = rng.normal(0, 0.3, (num_points, 3)).astype(np.float32)
        place = Camera.default(128, 96).world_to_camera
        shape = Shape(
            points,
            rng.integers(0, 256, (num_points, 3), np.uint8),
            np.full(num_points, 0.7, np.float32),
            "dog",
            {"dog": 0.7, "guitar": "little" if seed == UNPUBLISHABLE else 0.2},
            place,
        )
        for step in range(1, total + 1):
            time.sleep(SLOW_STEP_S if seed == SLOW else STEP_S)
            tell("diffuse", step, total)
            if on_estimate:
                on_estimate(step, total, lambda part=step / total: replace(shape, points=part * shape.points))
        tell("decode_shape", 1, 1)
        heard = SimpleNamespace(confidence=0.7)
        timings = {"encode": 1.0, "diffuse": 1000 * STEP_S * total, "decode_shape": 1.0, "total": 2.0}
        return SimpleNamespace(
            shape=shape,
            heard=heard,
            timings_ms=timings,
            seed=seed,
            device=self.device,
            weights_sha256=self.weights_sha256,
        )

    def refine(self, shape, image, *, camera, iterations, time_budget_s, seed, progress):
        if seed == NO_MEMORY_REFINING:
            raise MemoryError
        if seed == NO_RASTERIZER:
            raise ModuleNotFoundError("No module named 'gsplat'")
        progress("pose", 1, 1)
        for step in range(iterations):
            time.sleep(SLOW_STEP_S if seed == SLOW else STEP_S)
            progress("refine", step + 1, iterations)
        closer = shape.camera_from_shape.copy()
        fitted = SimpleNamespace(accepted=True, rendering=image, seconds={"pose": 0.001, "refine": 0.001})
        return replace(shape, camera_from_shape=closer), fitted


def fail(seed: int) -> None:
    if seed == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == CRASHED:
        os.abort()
    if seed == CUDA:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    if seed == BROKEN:
        raise ZeroDivisionError("the model is broken")
    if seed == DEAF:
        time.sleep(60)  # one endless step


def load(options: ModelOptions) -> FakeModel:
    if options.weights_dir == "/missing":
        raise InputError("no weights at /missing; expected a checkpoint: train one")
    return FakeModel()


def load_unless_marked(options: ModelOptions) -> FakeModel:
    """Dies while loading as long as the file named weights_dir exists."""
    if Path(options.weights_dir).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return FakeModel()


def load_slowly(options: ModelOptions) -> FakeModel:
    """Tells its process id in the file weights_dir, and is loaded when there is one of the same name with .go."""
    told = Path(options.weights_dir)
    told.with_suffix(".part").write_text(str(os.getpid()))
    told.with_suffix(".part").rename(told)
    while not told.with_suffix(".go").exists():
        time.sleep(0.01)
    return FakeModel()


def load_without_libraries(options: ModelOptions) -> FakeModel:
    raise ModuleNotFoundError("No module named 'soundfile'", name="soundfile")


def load_without_system_libraries(options: ModelOptions) -> FakeModel:
    raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")


def load_with_a_broken_library(options: ModelOptions) -> FakeModel:
    raise ImportError("cannot import name 'logsumexp' from 'scipy.special'", name="scipy.special")


def load_from_a_broken_disk(options: ModelOptions) -> FakeModel:
    raise OSError(5, "Input/output error")
