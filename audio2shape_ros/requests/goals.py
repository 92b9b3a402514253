"""The action ~/generate_shape: its goals run one at a time, each of the sound at the moment it was accepted."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import CancelledError, wait
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.impl.implementation_singleton import rclpy_implementation

from audio2shape_core.audio import load_audio
from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError
from audio2shape_ros.action import GenerateShape
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.requests.requests import Busy, Job, ModelFailed, NoAudio, NotActive, OutOfMemory, Silence

RCLError = rclpy_implementation.RCLError
LONGEST_LINE = 8  # goals that wait; each holds a sound and a picture
POLL_S = 0.05
STATE_S = 2.0  # that rclpy may take from its cancel callback to the goal's new state
Code = GenerateShape.Result


# The stages of the core by the numbers of the action. Looking at the image is part of finding the pose.
F = GenerateShape.Feedback
STAGE_NUMBERS = {
    "decode": F.STAGE_AUDIO,
    "encode": F.STAGE_ENCODE,
    "diffuse": F.STAGE_DIFFUSION,
    "decode_shape": F.STAGE_DECODE,
    "look": F.STAGE_POSE,
    "pose": F.STAGE_POSE,
    "refine": F.STAGE_REFINE,
}


class BadRequest(InputError):
    """A goal field out of its range."""


def code_of(error: BaseException) -> tuple[int, str]:
    """The action's result code and message for whatever stopped a request."""
    table = (
        (NotActive, Code.NOT_ACTIVE),
        (NoAudio, Code.NO_AUDIO),
        (Silence, Code.SILENCE),
        (BadRequest, Code.BAD_REQUEST),
        (InputError, Code.UNSUPPORTED_FORMAT),
        (DeadlineMissed, Code.DEADLINE),
        (Cancelled, Code.CANCELED),
        (CancelledError, Code.CANCELED),
        (OutOfMemory, Code.OUT_OF_MEMORY),
        (ModelFailed, Code.MODEL_FAILED),
        (Busy, Code.CANCELED),
    )
    code = next((code for kind, code in table if isinstance(error, kind)), Code.INTERNAL)
    told = {
        Code.DEADLINE: "the deadline came before there was a shape: allow more time or fewer steps",
        Code.CANCELED: "canceled, gave way to a newer request, or the node was deactivated",
    }
    return code, str(error) or told.get(code) or type(error).__name__


@dataclass(eq=False)
class Goal:
    """An accepted goal. job: of the sound at its acceptance; None where a file is to be read in its turn, and where
    `refusal` says why there cannot be one."""

    handle: ServerGoalHandle
    accepted: float = field(default_factory=time.monotonic)
    cancelled: threading.Event = field(default_factory=threading.Event)
    cancel_asked: bool = False  # by the client
    job: Job | None = None
    refusal: Exception | None = None

    def over(self) -> bool:
        """Whether nobody waits for its shape any more."""
        return self.cancelled.is_set() or self.handle.is_cancel_requested or self.late()

    def late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    @property
    def deadline(self) -> float | None:
        """time.monotonic() by which there must be a shape."""
        allowed_s = self.handle.request.deadline_s
        return self.accepted + allowed_s if allowed_s > 0 else None


class Goals:
    """The action server. `goal_policy` says what becomes of a goal while another runs: it is rejected, waits in line,
    or everything before it is cancelled."""

    def __init__(self, node, group) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._running: Goal | None = None
        self._line: deque[Goal] = deque()
        self._known: dict[bytes, Goal] = {}  # by id, until they end
        self._server = ActionServer(
            node,
            GenerateShape,
            "~/generate_shape",
            self._execute,
            callback_group=group,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    def cancel(self) -> None:
        """Stop all goals, for instance because the node is deactivated."""
        with self._lock:
            for goal in self._known.values():
                goal.cancelled.set()

    def _on_goal(self, _) -> GoalResponse:
        policy = self._node.settings["goal_policy"]
        with self._lock:
            busy, waiting = self._running is not None, len(self._line)
        if busy and policy == "reject":
            self._node.get_logger().info("goal rejected: another one runs (goal_policy is reject)")
            return GoalResponse.REJECT
        if waiting >= LONGEST_LINE:
            self._node.get_logger().warning(f"goal rejected: {waiting} others wait")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        with self._lock:
            if (goal := self._known.get(bytes(handle.goal_id.uuid))) is not None:
                goal.cancel_asked = True
                goal.cancelled.set()
        return CancelResponse.ACCEPT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        goal, policy = Goal(handle), self._node.settings["goal_policy"]
        try:
            if not handle.request.audio_uri:
                goal.job = self._job(goal)
        except Exception as error:
            goal.refusal = error
        with self._lock:
            if policy == "preempt":
                for older in self._known.values():
                    older.cancelled.set()
            self._known[bytes(handle.goal_id.uuid)] = goal
            first = self._running is None
            if first:
                self._running = goal
            elif policy != "reject":
                self._line.append(goal)
            else:  # both were accepted before either had its place
                goal.refusal = Busy("another goal runs (goal_policy is reject)")
        if first or policy == "reject":
            start(goal)

    def _job(self, goal: Goal) -> Job:
        asked = goal.handle.request

        def progress(stage: str, step: int, total: int) -> None:
            feedback = GenerateShape.Feedback(stage=STAGE_NUMBERS[stage], step=step, total_steps=total)
            feedback.progress, feedback.elapsed_s = step / max(total, 1), time.monotonic() - goal.accepted
            goal.handle.publish_feedback(feedback)

        if not 0 <= asked.window_s <= 10:
            raise BadRequest(f"window_s is {asked.window_s}, expected 0 to 10 seconds")
        if asked.steps > 1000 or (asked.num_points and not 256 <= asked.num_points <= 262144):
            raise BadRequest("expected steps up to 1000 and num_points of 256 to 262144, or 0 for the parameters")
        return self._node.job(
            waveform=load_audio(local_path(asked.audio_uri)) if asked.audio_uri else None,
            window_s=asked.window_s or None,
            seed=asked.seed,
            steps=asked.steps or None,
            num_points=asked.num_points or None,
            refine=asked.refine_with_camera,
            progress=progress,
            deadline=goal.deadline,
            cancelled=goal.cancelled,
        )

    def _execute(self, handle: ServerGoalHandle) -> GenerateShape.Result:
        goal = self._known[bytes(handle.goal_id.uuid)]
        result = GenerateShape.Result()
        try:
            message = self._run(goal)
            result.code, result.shape = Code.SUCCESS, message
            result.message = f"{message.labels[0]} ({message.confidence:.0%})"
            handle.succeed()
        except BaseException as error:
            result.code, result.message = code_of(error)
            if self._cancel_requested(goal):
                handle.canceled()
            else:
                handle.abort()
        finally:
            self._end(goal)
        return result

    @staticmethod
    def _cancel_requested(goal: Goal) -> bool:
        """Whether the client wants it cancelled. rclpy changes the goal's state after `_on_cancel`; until then it would
        refuse to call it cancelled."""
        end = time.monotonic() + STATE_S
        while goal.cancel_asked and not goal.handle.is_cancel_requested and time.monotonic() < end:
            time.sleep(0.001)
        return goal.handle.is_cancel_requested

    def _run(self, goal: Goal) -> ShapeHypothesis:
        if goal.refusal is not None:
            raise goal.refusal
        if goal.over():
            raise DeadlineMissed if goal.late() else Cancelled
        future = self._node.submit(goal.job or self._job(goal), asked=True)
        while not wait([future], timeout=POLL_S).done:
            if goal.handle.is_cancel_requested:  # since before the goal was known
                goal.cancelled.set()
            self._dismiss()
        return future.result()

    def _dismiss(self) -> None:
        """Answer those in the line that need not wait for their turn."""
        with self._lock:
            over = [goal for goal in self._line if goal.over()]
            for goal in over:
                self._line.remove(goal)
        for goal in over:
            start(goal)

    def _end(self, goal: Goal) -> None:
        """Forget a goal; where it was the running one, start the next."""
        following = None
        with self._lock:
            del self._known[bytes(goal.handle.goal_id.uuid)]
            if goal is self._running:
                self._running = following = self._line.popleft() if self._line else None
        if following is not None:
            start(following)


def start(goal: Goal) -> None:
    try:
        goal.handle.execute()
    except RCLError:  # the request to cancel it came between rclpy's look at its state and the change of it
        goal.handle.execute()


def local_path(uri: str) -> Path:
    """A path or file:// address -> a path. Raises BadRequest for other addresses, NoAudio where no file is."""
    parts = urlparse(uri)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise BadRequest(f"audio_uri {uri!r}: expected a path or file:// on the node's machine")
    path = Path(unquote(parts.path) if parts.scheme else uri).expanduser()
    if not path.is_file():
        raise NoAudio(f"no sound file at {path} on the node's machine")
    return path
