"""The lifecycle node `audio2shape`: hears a sound, publishes the shape it imagines.

configure loads the model in a process of its own, activate opens the inputs and starts the worker, deactivate ends the
model's process so that its memory comes back. The node itself only connects: audio_input and camera_input store what
arrives, trigger decides when, worker and model_handle have shapes made, outputs publishes them, servers answers
requests.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from audio2shape_core.audio import SAMPLE_RATE, Window
from audio2shape_core.errors import Cancelled, InputError, Progress
from audio2shape_core.shape import Shape
from audio2shape_ros import parameters
from audio2shape_ros.audio.audio_input import AudioInput
from audio2shape_ros.audio.trigger import Trigger
from audio2shape_ros.camera.camera_input import CameraInput
from audio2shape_ros.diagnostics import Diagnostics, PipelineStatus
from audio2shape_ros.model.handle import ModelHandle
from audio2shape_ros.model.server import load_model
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.outputs.outputs import Outputs
from audio2shape_ros.requests.goals import Goals
from audio2shape_ros.requests.requests import (
    Job,
    ModelFailed,
    ModelOptions,
    NoAudio,
    NotActive,
    OutOfMemory,
    Request,
    check_level,
    draw_seed,
)
from audio2shape_ros.requests.services import Servers
from audio2shape_ros.requests.worker import Worker
from audio2shape_ros.spinning import SteadyExecutor, spin

THREADS = 8  # a goal and servers.WAITING others wait for the model in theirs; five are left for all the rest
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def told(transition: Callable) -> Callable:
    """rclpy swallows exceptions of transitions without a word; this logs them and fails the transition."""

    def wrapped(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except (InputError, ModelFailed) as error:
            self.get_logger().error(str(error))
        except Exception as error:
            self.get_logger().error(f"{transition.__name__}: {type(error).__name__}: {error}")
        return FAILURE

    return wrapped


class ShapeNode(LifecycleNode):
    """`load(ModelOptions)` gives the model, in its process: a function that can be imported there."""

    def __init__(self, *, load: Callable[[ModelOptions], object] = load_model, **options) -> None:
        super().__init__("audio2shape", **options)
        self.settings = parameters.declare(self)
        self.enabled = True
        self.is_active = False
        self.model: ModelHandle | None = None
        self.model_problem = ""
        self._load = load
        self.audio: AudioInput | None = None
        self.camera: CameraInput | None = None
        self.worker: Worker[Job, ShapeHypothesis | None] | None = None
        self.latest: tuple[ShapeHypothesis, Shape] | None = None
        self.pipeline = PipelineStatus()
        self._outputs: Outputs | None = None
        self._running: Job | None = None
        self._audio_group, self._camera_group = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = Diagnostics(self)
        asking = ReentrantCallbackGroup()  # whoever asks for a shape waits in a thread of it
        self._goals = Goals(self, asking)
        self._servers = Servers(self, asking)

    # --- life -------------------------------------------------------------------------------------------------------

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        s = self.settings
        if problem := parameters.first_problem(((p.name, s[p.name]) for p in parameters.TABLE), configured=False):
            raise InputError(problem)
        threads = s["cpu_threads"] or max(1, len(os.sched_getaffinity(0)) - 1)
        options = ModelOptions(s["weights_dir"], s["device"], threads, s["allow_random_weights"])
        self.model = ModelHandle(self._load, options, self.get_logger().warning)
        try:
            self.model.start()
            self._outputs = Outputs(self, s)
        except Exception as error:
            self._release()
            self.model_problem = str(error) or type(error).__name__
            raise
        self.model_problem = ""
        info = self.model.info
        if info.weights_sha256 == "random":
            self.get_logger().warning("UNTRAINED WEIGHTS (allow_random_weights): the shapes mean nothing")
        self.get_logger().info(f"model on {info.device}, weights {info.weights_sha256[:12]}, process {self.model.pid}")
        return super().on_configure(state)

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        try:
            self.model.wanted = True
            self.worker = Worker(self._work, tend=self._tend)
            self._trigger = Trigger(self.settings)
            self.camera = CameraInput(self, self.settings, self._camera_group)
            self.audio = AudioInput(self, self.settings, self._audio_group, self._on_sound)
        except Exception:
            self._stop()
            super().on_deactivate(state)
            raise
        self.is_active = True
        return SUCCESS

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._release()
        return SUCCESS

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._release()
        return SUCCESS

    def _stop(self) -> None:
        """Close the inputs, give up the running shape, end the model's process and the worker. Safe to call twice."""
        self.is_active = False
        self._goals.cancel()
        if (job := self._running) is not None:
            job.cancelled.set()  # also keeps a late result from being published
        if self.worker is not None:
            self.worker.dismiss()
        if self.model is not None:
            self.model.stop()
        for source in (self.audio, self.camera):
            if source is not None:
                source.close()
        if self.worker is not None and not self.worker.stop():
            self.get_logger().warning("the running shape did not stop in time; its result will not be published")
        self.audio = self.camera = self.worker = None

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        if self.model is not None:
            self.model.stop()
        self._outputs = self.model = self.latest = None

    def _on_set_parameters(self, changes) -> SetParametersResult:
        pairs = [(p.name, p.value) for p in changes]
        if problem := parameters.first_problem(pairs, configured=self.model is not None):
            return SetParametersResult(successful=False, reason=problem)
        self.settings.update({name: value for name, value in pairs if name in parameters.BY_NAME})
        return SetParametersResult(successful=True)

    # --- from sound to shape ----------------------------------------------------------------------------------------

    def _on_sound(self, samples: np.ndarray, rate: int, end: float) -> None:
        """Every audio message ends here, in the audio group."""
        seconds = self._trigger.heard(samples, rate, end)
        if not seconds or not self.enabled or not self.is_active:
            return
        try:
            job = self.job(window_s=seconds, min_confidence=self.settings["trigger.min_confidence"])
        except InputError as error:  # silence, or not enough sound yet
            self.get_logger().debug(str(error))
            return
        self.submit(job)

    def job(
        self,
        *,
        waveform: np.ndarray | None = None,
        window_s: float | None = None,
        seed: int | None = None,
        steps: int | None = None,
        num_points: int | None = None,
        refine: bool | None = None,
        min_confidence: float = 0.0,
        deadline: float | None = None,
        progress: Progress | None = None,
        cancelled: threading.Event | None = None,
    ) -> Job:
        """A job whose request has its gaps filled in from the parameters; without a waveform, of the newest live sound.

        Raises NotActive, NoAudio or Silence where there is nothing to hear.
        """
        self._require_active()
        s = self.settings
        now = self.get_clock().now().nanoseconds * 1e-9
        if waveform is not None:
            start = max(0.0, now - len(waveform) / SAMPLE_RATE)  # simulated time may be younger than the sound is long
            sound, rate = Window(waveform, start, now), SAMPLE_RATE
        else:
            heard = self.audio and self.audio.window(window_s or s["audio.window_s"])
            if not heard:
                if self.audio and self.audio.status.error:
                    raise InputError(self.audio.status.error)
                raise NoAudio(f"no sound on {self.resolve_topic_name('audio')}: start the microphone or remap audio")
            sound, rate = heard
        check_level(sound.samples, s["audio.min_rms_dbfs"])
        refine = s["refine.enabled"] if refine is None else refine
        guidance = s["diffusion.guidance"]
        camera = self.camera if refine and s["refine.iterations"] else None
        request = Request(
            waveform=sound.samples,
            sample_rate=rate,
            start=sound.start,
            end=sound.end,
            seed=draw_seed(s["diffusion.seed"] if seed is None else seed),
            steps=steps or s["diffusion.steps"] or None,
            guidance=guidance if guidance >= 0 else None,
            num_points=num_points or s["shape.num_points"],
            refine_steps=s["refine.iterations"],
            refine_budget_s=s["refine.time_budget_s"],
            deadline=deadline,
            tell_progress=progress is not None,
            tell_preview=self._outputs.listened("preview"),
            preview_steps=s["preview.steps"],
        )
        snapshot = camera.snapshot(sound.end) if camera else None
        return Job(request, snapshot, min_confidence, progress, cancelled or threading.Event())

    def submit(self, job: Job, *, asked: bool = False) -> Future:
        """Hand a job to the worker; the future gives the published ShapeHypothesis."""
        worker = self.worker
        if worker is None:
            raise Cancelled
        return worker.submit(job, asked=asked)

    def _work(self, job: Job) -> ShapeHypothesis | None:
        """In the worker thread: have the shape made, publish it. None for a live sound not recognised well enough."""
        self._running = job
        try:
            return self._make(job)
        except Cancelled:
            raise
        except Exception as error:
            foreseen = isinstance(error, (InputError, ModelFailed, OutOfMemory))
            self.pipeline.last_error = str(error) if foreseen else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"no shape: {self.pipeline.last_error}", throttle_duration_sec=5.0)
            raise
        finally:
            self._running = None

    def _make(self, job: Job) -> ShapeHypothesis | None:
        model, outputs, camera = self.model, self._outputs, self.camera
        view = camera.view(job.snapshot) if job.snapshot and camera else None
        camera_frame = view.frame_id if view else self._camera_frame()
        job = replace(job, request=replace(job.request, view=view))
        model.tend()
        outcome = model.make(job, on_preview=lambda shape: outputs.preview(shape, camera_frame, job.request.end))
        if job.cancelled.is_set():
            raise Cancelled
        if outcome.confidence < job.min_confidence:
            doubt = f"at best {outcome.shape.label}, {outcome.confidence:.0%}, below trigger.min_confidence"
            self.get_logger().info(f"no shape for a sound I do not know: {doubt}")
            return None
        scale = None
        if outcome.refined:
            scale = camera.depth_scale(job.snapshot, view, outcome.shape.points_in_camera())
        message, placed = outputs.publish(job.request, outcome, camera_frame, scale)
        self.latest = message, placed
        latency = 1000 * (time.monotonic() - job.request.received)
        self.pipeline.finished(latency, self.settings["latency.budget_ms"], message.notice)
        label = f"{message.labels[0]} ({message.confidence:.0%})"
        self.get_logger().info(f"{label}, {message.cloud.width} points, {latency:.0f} ms")
        return message

    def _tend(self) -> None:
        """In the worker thread, between two shapes."""
        self.model.tend()
        self._outputs.serve_viewers()

    def _camera_frame(self) -> str:
        camera = self.camera
        return camera.status.frame_id if camera else ""

    def clear(self) -> None:
        """Forget the latest shape and show nothing. Raises NotActive."""
        self._require_active()
        self.latest = None
        self._outputs.clear(self.settings["output.frame_id"] or self._camera_frame())

    def _require_active(self) -> None:
        if not self.is_active:
            name = self.get_fully_qualified_name()
            raise NotActive(f"the node is not active: run `ros2 lifecycle set {name} configure` and `activate`")


def main(arguments: list[str] | None = None, *, load: Callable[[ModelOptions], object] = load_model) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `ros2 launch` and systemd end it as Ctrl-C does
    rclpy.init(args=arguments)
    node = ShapeNode(load=load)
    executor = SteadyExecutor(THREADS)
    executor.add_node(node)
    try:
        if node.settings["autostart"] and node.trigger_configure() == SUCCESS:
            node.trigger_activate()
        spin(executor, node.get_logger())
    except KeyboardInterrupt:
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one would only interrupt the tidying up
            signal.signal(number, signal.SIG_IGN)
        node._stop()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
