"""The lifecycle node `audio2shape`: hears a sound, publishes the shape it imagines.

configure loads the model in a process of its own, activate opens the inputs and starts the worker, deactivate ends the
model's process so that its memory comes back. The node itself only connects: audio_input and camera_input store what
arrives, trigger decides when, maker has shapes made by the model's process, outputs publishes them, goals and services
answer requests.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from audio2shape_core.errors import Cancelled, InputError
from audio2shape_ros import parameters
from audio2shape_ros.audio.audio_input import AudioInput
from audio2shape_ros.audio.trigger import Trigger
from audio2shape_ros.camera.camera_input import CameraInput
from audio2shape_ros.diagnostics import ERROR, NOT_ACTIVE, NOT_CONFIGURED, Diagnostics, Report
from audio2shape_ros.errors import ModelFailed, NotActive
from audio2shape_ros.model.handle import QUIET_S, ModelHandle
from audio2shape_ros.model.messages import Model, ModelOptions
from audio2shape_ros.model.server import load_model
from audio2shape_ros.outputs.outputs import Outputs
from audio2shape_ros.requests.goals import Goals
from audio2shape_ros.requests.maker import Ask, Maker, not_active
from audio2shape_ros.requests.services import Services
from audio2shape_ros.ros import STEADY, RCLError, SteadyExecutor, spin

THREADS = 8  # a goal and services.WAITING others wait for the model in theirs; five are left for all the rest
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def logged(transition: Transition) -> Transition:
    """rclpy swallows exceptions of transitions without a word; this logs them and fails the transition."""

    @functools.wraps(transition)
    def wrapped(self: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except (InputError, ModelFailed) as error:
            self.get_logger().error(str(error))
        except Cancelled:
            self.get_logger().info("given up: the node ends")
        except Exception as error:
            self.get_logger().error(f"{transition.__name__}: {type(error).__name__}: {error}")
        return FAILURE

    return wrapped


class ShapeNode(LifecycleNode):
    """`load(ModelOptions)` gives the model, in its process: a function that can be imported there.

    Raises InputError for parameters that cannot be used.
    """

    def __init__(self, *, load: Callable[[ModelOptions], Model] = load_model, **options: Any) -> None:
        super().__init__("audio2shape", automatically_declare_parameters_from_overrides=True, **options)
        self.settings = parameters.declare(self)
        self._load = load
        self._model: ModelHandle | None = None
        self._model_problem = ""
        self._outputs: Outputs | None = None
        self._maker: Maker | None = None
        self._audio: AudioInput | None = None
        self._camera: CameraInput | None = None
        self._trigger = Trigger(self.settings)
        self._audio_group, self._camera_group = MutuallyExclusiveCallbackGroup(), MutuallyExclusiveCallbackGroup()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        reports: dict[str, Callable[[], Report]] = {
            "audio input": lambda: self._audio.report() if self._audio else NOT_ACTIVE,
            "camera": lambda: self._camera.report() if self._camera else NOT_ACTIVE,
            "model": self._report_model,
            "device": lambda: self._model.report_device() if self._model else NOT_CONFIGURED,
            "pipeline": lambda: self._maker.report() if self._maker else NOT_CONFIGURED,
        }
        self._diagnostics = Diagnostics(self, self.settings["diagnostics.period_s"], reports)
        asking = ReentrantCallbackGroup()  # whoever asks for a shape waits in a thread of it
        self._goals = Goals(self, asking, self.settings, self._configured, self._answering)
        self._requests = Services(self, asking, self.settings, self._configured)
        if self.settings["autostart"]:  # in the default group, as transitions that others ask for
            self._autostart = self.create_timer(0.0, self._start, clock=STEADY)

    # --- life -------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.destroy_timer(self._autostart)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        s = self.settings
        threads = s["cpu_threads"] or max(1, len(os.sched_getaffinity(0)) - 1)
        options = ModelOptions(s["weights_dir"], s["device"], threads, s["allow_random_weights"])
        self.get_logger().info(f"loading the model on {s['device']}, weights in {s['weights_dir'] or 'the package'}")
        self._model = ModelHandle(self._load, options, self._warn)
        try:
            self._model.start()
            self._outputs = Outputs(self, s)
        except Exception as error:
            self._release()
            self._model_problem = str(error) or type(error).__name__
            raise
        self._maker = Maker(self, s, self._model, self._outputs)
        self._model_problem = ""
        info = self._model.info
        if info is not None:
            if info.weights_sha256 == "random":
                self.get_logger().warning("UNTRAINED WEIGHTS (allow_random_weights): the shapes mean nothing")
            summary = f"model on {info.device}, weights {info.weights_sha256[:12]}, process {self._model.pid}"
            self.get_logger().info(summary)
        return super().on_configure(state)

    @logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        maker = self._configured()
        super().on_activate(state)
        try:
            self._trigger = Trigger(self.settings)
            maker.start()
            self._camera = CameraInput(self, self.settings, self._camera_group)
            self._audio = AudioInput(self, self.settings, self._audio_group, self._on_sound)
            maker.open(self._audio, self._camera)
        except Exception:
            self.stop()
            super().on_deactivate(state)
            raise
        self.get_logger().info("active")
        return SUCCESS

    @logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        return super().on_deactivate(state)

    @logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        self._release()
        return SUCCESS

    @logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.stop()
        self._release()
        return SUCCESS

    def stop(self) -> None:
        """Close the inputs, give up the running shape, end the model's process and the worker. Safe to call twice."""
        self._goals.cancel()
        if self._maker is not None:
            self._maker.close()
        elif self._model is not None:  # still loading
            self._model.stop()
        for source in (self._audio, self._camera):
            if source is not None:
                source.close()
        self._audio = self._camera = None

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        if self._model is not None:
            self._model.stop()
        self._outputs = self._model = self._maker = None

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text)

    def _configured(self) -> Maker:
        if self._maker is None:
            raise NotActive(not_active(self))
        return self._maker

    def _answering(self) -> bool:
        return self._model is not None and self._model.silent_s < QUIET_S

    def _report_model(self) -> Report:
        if self._model is not None:
            return self._model.report()
        return Report(ERROR, self._model_problem) if self._model_problem else NOT_CONFIGURED

    def _on_set_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        pairs = [(p.name, p.value) for p in changes]
        if problem := parameters.first_problem(pairs, configured=self._model is not None):
            return SetParametersResult(successful=False, reason=problem)
        self.settings.update({name: value for name, value in pairs if name in parameters.BY_NAME})
        return SetParametersResult(successful=True)

    # --- sounds -----------------------------------------------------------------------------------------------------

    def _on_sound(self, samples: np.ndarray, rate: int, end: float) -> None:
        """Every audio message ends here, in the audio group."""
        seconds, maker = self._trigger.heard(samples, rate, end, time.monotonic()), self._maker
        if not seconds or maker is None or not self._requests.enabled:
            return
        try:
            maker.submit(maker.job(Ask(window_s=seconds, live=True)))
        except (InputError, Cancelled) as error:  # silence, or not active (any more)
            self.get_logger().debug(str(error))


def main(arguments: list[str] | None = None, *, load: Callable[[ModelOptions], Model] = load_model) -> None:
    given = sys.argv if arguments is None else arguments
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `ros2 launch` and systemd end it as Ctrl-C does
    try:
        rclpy.init(args=arguments)
        node = ShapeNode(load=load)
    except (InputError, RCLError) as error:
        rclpy.try_shutdown()
        sys.stderr.write(f"audio2shape: {str(error).splitlines()[0]}{parameters.files_of(given)}\n")
        sys.exit(2)
    executor = SteadyExecutor(THREADS)
    executor.add_node(node)
    try:
        spin(executor, node.get_logger())
    except KeyboardInterrupt:
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one would only interrupt the tidying up
            signal.signal(number, signal.SIG_IGN)
        node.stop()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
