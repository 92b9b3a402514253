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
from audio2shape_core.errors import DeadlineMissed, InputError
from audio2shape_core.frame import Frame
from audio2shape_core.results import Generation, Heard, OnStep, Step
from audio2shape_core.settings import Settings
from audio2shape_core.shape import Shape
from audio2shape_core.stopwatch import Stopwatch
from audio2shape_ros.model.messages import ModelOptions

STEP_S = 0.005
SLOW, SLOW_STEP_S = 77, 0.05  # a seed whose shape takes its time, and how much a step
POINTS = 2048  # more than this does not fit into the fake's memory
# Seeds that make it fail.
KILLED, CRASHED, CUDA, BROKEN, NO_MEMORY, NO_MEMORY_REFINING, DEAF, NO_RASTERIZER, UNPUBLISHABLE, REFUSED = range(
    101, 111
)


class FakeModel:
    """Answers as AudioToShape does, from its arguments alone."""

    device = "cpu"
    weights_sha256 = "fake"

    def generate(
        self,
        waveform: np.ndarray,
        *,
        frame: Frame | None = None,
        settings: Settings,
        deadline: float | None = None,
        stopwatch: Stopwatch | None = None,
        on_step: OnStep | None = None,
    ) -> Generation:
        sampling = settings.sampling
        fail(sampling.seed)
        if sampling.seed == NO_MEMORY or sampling.num_points > POINTS:
            raise MemoryError
        watch, tell = stopwatch or Stopwatch(), on_step or (lambda _: None)
        tell(Step("encode", 1, 1))
        total = sampling.steps or 4
        level = int(1e6 * float(np.square(waveform).mean()))
        rng = np.random.default_rng([sampling.seed, len(waveform), level])
        points = rng.normal(0, 0.3, (sampling.num_points, 3)).astype(np.float32)
        shape = Shape(
            points,
            rng.integers(0, 256, (len(points), 3), np.uint8),
            np.full(len(points), 0.7, np.float32),
            "dog",
            {"dog": 0.7, "guitar": "little" if sampling.seed == UNPUBLISHABLE else 0.2},
            Camera.default(128, 96).world_to_camera,
        )
        for step in range(1, total + 1):
            self._pass_time("diffuse", sampling.seed, watch)
            if deadline is not None and time.monotonic() > deadline:
                raise DeadlineMissed
            part = step / total
            tell(Step("diffuse", step, total, lambda part=part: replace(shape, points=part * shape.points)))
        tell(Step("decode_shape", 1, 1, lambda: shape))
        refined, notice = None, ""
        if frame is not None and settings.refining.iterations:
            if sampling.seed == NO_MEMORY_REFINING:
                raise MemoryError
            if sampling.seed == NO_RASTERIZER:
                notice = "image not used: ModuleNotFoundError: No module named 'gsplat'"
            elif sampling.seed == REFUSED:
                notice = "image not used: the object was not found in it"
            else:
                refined = self._refine(frame, settings, watch, tell)
        return Generation(
            shape=shape,
            coarse=shape,
            heard=Heard(np.zeros(4), None, "dog", 0.7, shape.scores, 1.0),
            known=settings.listening.min_confidence <= 0.7,
            refined=refined,
            pose_source="fitted" if refined else "assumed",
            notice=notice,
            timings_ms=watch.timings_ms(),
            seed=sampling.seed,
            device=self.device,
            weights_sha256=self.weights_sha256,
        )

    def _pass_time(self, stage: str, seed: int, watch: Stopwatch) -> None:
        with watch.stage(stage):
            time.sleep(SLOW_STEP_S if seed == SLOW else STEP_S)

    def _refine(self, frame: Frame, settings: Settings, watch: Stopwatch, tell: OnStep) -> SimpleNamespace:
        tell(Step("pose", 1, 1))
        for step in range(settings.refining.iterations):
            self._pass_time("refine", settings.sampling.seed, watch)
            tell(Step("refine", step + 1, settings.refining.iterations))
        return SimpleNamespace(accepted=True, rendering=frame.image)


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
    signal_file = Path(options.weights_dir)
    signal_file.with_suffix(".part").write_text(str(os.getpid()))
    signal_file.with_suffix(".part").rename(signal_file)
    while not signal_file.with_suffix(".go").exists():
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
