"""From a sound to a published shape: requests are filled in from the parameters, wait for the model, are published."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node

from audio2shape_core.audio import MIN_SECONDS, SAMPLE_RATE, Window, rms_dbfs
from audio2shape_core.errors import Cancelled, InputError, Progress
from audio2shape_core.shape import Shape
from audio2shape_ros.audio.audio_input import AudioInput
from audio2shape_ros.camera.camera_input import CameraInput, Snapshot, View
from audio2shape_ros.diagnostics import ERROR, OK, WARN, Report
from audio2shape_ros.errors import BadRequest, ModelFailed, NoAudio, NoImage, NotActive, OutOfMemory, Silence
from audio2shape_ros.model.handle import Asked, ModelHandle
from audio2shape_ros.model.messages import Request
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.outputs.outputs import Outputs
from audio2shape_ros.outputs.records import Made, verdict
from audio2shape_ros.parameters import Settings
from audio2shape_ros.requests.worker import Worker

MISSES = 3  # budget misses in a row before WARN becomes ERROR


@dataclass(frozen=True)
class Ask:
    """What somebody wants; 0 and None leave a value to the parameters.

    waveform: (S,) float32 mono at 16 kHz; None: the newest live sound, of which `window_s` seconds. seed: below 0 draws
    one. refine: whether to fit the shape to the camera image. live: nobody waits, so an unknown sound makes no shape.
    deadline: time.monotonic().
    """

    waveform: np.ndarray | None = None
    window_s: float = 0.0
    seed: int | None = None
    steps: int = 0
    num_points: int = 0
    refine: bool | None = None
    live: bool = False
    deadline: float | None = None
    progress: Progress | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Job:
    """A request with its sound, which lasted from `start` to `end` (seconds of the node's clock), and with the pictures
    that are decoded in its turn. notice: what is given up already."""

    ask: Ask
    request: Request
    start: float
    end: float
    snapshot: Snapshot | None
    notice: str


def not_active(node: Node) -> str:
    name = node.get_fully_qualified_name()
    return f"the node is not active: run `ros2 lifecycle set {name} configure` and `activate`"


class PipelineStatus:
    """Latencies of finished shapes, failures."""

    def __init__(self) -> None:
        self.latencies: deque[float] = deque(maxlen=100)  # ms, end of the sound to published cloud
        self.made = 0
        self.misses = 0  # of the budget, in a row
        self.last_error = ""
        self.notice = ""  # what the latest shape had to do without

    def finished(self, latency_ms: float, budget_ms: float, notice: str) -> None:
        self.latencies.append(latency_ms)
        self.made += 1
        self.misses = self.misses + 1 if latency_ms > budget_ms else 0
        self.last_error, self.notice = "", notice

    def report(self, *, dropped: int, busy: bool) -> Report:
        values: dict[str, object] = {"shapes": self.made, "dropped": dropped}
        if self.latencies:
            half, most = np.percentile(self.latencies, (50, 95))
            values |= {"p50 ms": f"{half:.0f}", "p95 ms": f"{most:.0f}", "last ms": f"{self.latencies[-1]:.0f}"}
        if self.last_error:
            return Report(ERROR, self.last_error, values)
        if self.misses:
            summary = f"slower than latency.budget_ms {self.misses} times in a row"
            return Report(ERROR if self.misses >= MISSES else WARN, summary, values)
        if self.notice:
            return Report(WARN, self.notice, values)
        return Report(OK, "busy" if busy else "ready", values)


class Maker:
    """Has shapes made and publishes them. It lives while the node is configured; only between `open` and `close` it
    works. latest: the newest message, and its shape as it was published."""

    def __init__(self, node: LifecycleNode, settings: Settings, model: ModelHandle, outputs: Outputs) -> None:
        self._node, self._settings, self._model, self._outputs = node, settings, model, outputs
        self._audio: AudioInput | None = None
        self._camera: CameraInput | None = None
        self._worker: Worker[Job, ShapeHypothesis | None] | None = None
        self._running: Job | None = None
        self.latest: tuple[ShapeHypothesis, Shape] | None = None
        self.status = PipelineStatus()

    def start(self) -> None:
        """Start the worker, which tends the model's process."""
        self._model.wanted = True
        self._worker = Worker(self._work, tend=self._tend)

    def open(self, audio: AudioInput, camera: CameraInput) -> None:
        """Take requests about what these two hear and see."""
        self._audio, self._camera = audio, camera

    def close(self) -> None:
        """Give up the running shape, end the model's process and the worker. Safe to call twice."""
        self._audio = self._camera = None
        if (job := self._running) is not None:
            job.ask.cancelled.set()  # also keeps a late result from being published
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.dismiss()
        self._model.stop()
        if worker is not None and not worker.stop():
            self._node.get_logger().warning("the running shape did not stop in time; its result is not published")

    def job(self, ask: Ask) -> Job:
        """A job whose request has its gaps filled in from the parameters.

        Raises NotActive, NoAudio, Silence, and BadRequest for settings out of range.
        """
        s, (audio, camera) = self._settings, self._inputs()
        seed = s["diffusion.seed"] if ask.seed is None else ask.seed
        try:
            settings = s.of_a_run(
                seed=secrets.randbelow(2**31) if seed < 0 else seed, steps=ask.steps, num_points=ask.num_points
            )
        except InputError as error:
            raise BadRequest(str(error)) from None
        if ask.waveform is None:
            sound, rate = audio.window(ask.window_s or s["audio.window_s"])
        else:
            now = self._node.get_clock().now().nanoseconds * 1e-9
            sound, rate = Window(ask.waveform, now - len(ask.waveform) / SAMPLE_RATE, now), SAMPLE_RATE
        if len(sound.samples) < MIN_SECONDS * rate:
            heard = len(sound.samples) / rate
            raise NoAudio(f"{heard:.3f} s of sound so far, expected at least {MIN_SECONDS} s: ask again in a moment")
        level, least = rms_dbfs(sound.samples), s["audio.min_rms_dbfs"]
        if level < least:
            raise Silence(f"silence ({level:.0f} dBFS), expected at least {least:.0f}: raise the microphone's gain")
        snapshot, notice = self._snapshot(camera, ask, sound.end)
        request = Request(
            sound.samples,
            rate,
            settings,
            deadline=ask.deadline,
            send_progress=ask.progress is not None,
            send_preview=self._outputs.listened("preview"),
            preview_steps=s["preview.steps"],
        )
        return Job(ask, request, sound.start, sound.end, snapshot, notice)

    def _inputs(self) -> tuple[AudioInput, CameraInput]:
        if self._audio is None or self._camera is None:
            raise NotActive(not_active(self._node))
        return self._audio, self._camera

    def _snapshot(self, camera: CameraInput, ask: Ask, end: float) -> tuple[Snapshot | None, str]:
        """The picture of a sound, or why there is none where one was to be expected."""
        if not (self._settings["refine.enabled"] if ask.refine is None else ask.refine):
            return None, ""
        if not self._settings["refine.iterations"]:
            return None, "image not used: refine.iterations is 0" if ask.refine else ""
        try:
            return camera.snapshot(end), ""
        except NoImage as error:
            return None, f"image not used: {error}" if ask.refine or camera.seeing else ""

    def submit(self, job: Job) -> Future[ShapeHypothesis | None]:
        """Hand a job to the worker; the future gives the message as it was published."""
        worker = self._worker
        if worker is None:
            raise Cancelled
        return worker.submit(job, asked=not job.ask.live)

    def _work(self, job: Job) -> ShapeHypothesis | None:
        """In the worker's thread: make, publish. None for a live sound that is unknown."""
        self._running = job
        try:
            return self._make(job)
        except Cancelled:
            raise
        except Exception as error:
            foreseen = isinstance(error, (InputError, ModelFailed, OutOfMemory))
            self.status.last_error = str(error) if foreseen else f"{type(error).__name__}: {error}"
            self._node.get_logger().error(f"no shape: {self.status.last_error}", throttle_duration_sec=5.0)
            raise
        finally:
            self._running = None

    def _make(self, job: Job) -> ShapeHypothesis | None:
        ask, camera, log = job.ask, self._camera, self._node.get_logger()
        if (over := Asked(job.request, ask.cancelled).over()) is not None:
            raise over
        view, notice = self._look(camera, job)
        camera_frame = view.frame_id if view else self._camera_frame()
        request = replace(job.request, frame=view.frame if view else None)
        self._model.tend()
        outcome = self._model.make(
            request,
            ask.cancelled,
            ask.progress,
            on_preview=lambda shape: self._outputs.preview(shape, camera_frame, job.end),
        )
        if ask.cancelled.is_set():
            raise Cancelled
        if ask.live and not outcome.known:
            doubt = f"at best {outcome.shape.label}, {outcome.confidence:.0%}, below trigger.min_confidence"
            log.info(f"no shape for an unknown sound: {doubt}")
            return None
        scale = None
        if camera and view and job.snapshot and outcome.refined:
            scale = camera.depth_scale(job.snapshot, view, outcome.shape.points_in_camera())
        made = Made(outcome, job.start, job.end, camera_frame, view, scale, notice)
        message, placed = self._outputs.publish(made)
        self.latest = message, placed
        latency = 1000 * (time.monotonic() - job.request.received)
        self.status.finished(latency, self._settings["latency.budget_ms"], message.notice)
        log.info(f"{verdict(message, outcome.known)}, {message.cloud.width} points, {latency:.0f} ms")
        if message.notice:
            log.warning(message.notice, throttle_duration_sec=5.0)
        return message

    @staticmethod
    def _look(camera: CameraInput | None, job: Job) -> tuple[View | None, str]:
        """What the job's picture shows, or why it cannot be used."""
        if camera is None or job.snapshot is None:
            return None, job.notice
        try:
            return camera.look(job.snapshot), job.notice
        except InputError as error:
            return None, f"image not used: {error}"

    def _tend(self) -> None:
        """In the worker's thread, between two shapes."""
        self._model.tend()
        self._outputs.serve_viewers()

    def _camera_frame(self) -> str:
        return self._camera.status.frame_id if self._camera else ""

    def clear(self) -> None:
        """Forget the latest shape and show nothing. Raises NotActive."""
        self._inputs()
        self.latest = None
        self._outputs.clear(self._camera_frame())

    def report(self) -> Report:
        worker = self._worker
        return self.status.report(dropped=worker.dropped if worker else 0, busy=bool(worker and worker.busy))
