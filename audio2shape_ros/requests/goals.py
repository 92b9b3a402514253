"""The action ~/generate_shape: its goals run one at a time, each of the sound at the moment it was accepted."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from audio2shape_core.audio import load_audio
from audio2shape_core.errors import Cancelled, DeadlineMissed
from audio2shape_ros.action import GenerateShape
from audio2shape_ros.errors import BadRequest, Busy, NoAudio
from audio2shape_ros.msg import ShapeHypothesis
from audio2shape_ros.outputs.records import verdict
from audio2shape_ros.parameters import BY_NAME, Settings
from audio2shape_ros.requests.codes import STAGES, Code, code_of
from audio2shape_ros.requests.maker import Ask, Job, Maker
from audio2shape_ros.ros import RCLError

LONGEST_LINE = 8  # goals that wait; each holds a sound and a picture
POLL_S = 0.05
STATE_S = 2.0  # that rclpy may take from its cancel callback to the goal's new state
# The goal is answered so long after it is over, whatever the model does; until then the model may answer itself: with
# the coarse shape where the deadline came amid refinement.
CANCEL_S, DEADLINE_S = 0.5, 2.0


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

    def over(self) -> Exception | None:
        """Why nobody waits for its shape any more; None while somebody does."""
        if self.cancelled.is_set() or self.handle.is_cancel_requested:
            return Cancelled()
        return DeadlineMissed() if self.deadline is not None and time.monotonic() > self.deadline else None

    @property
    def deadline(self) -> float | None:
        """time.monotonic() by which there must be a shape."""
        allowed_s = self.handle.request.deadline_s
        return self.accepted + allowed_s if math.isfinite(allowed_s) and allowed_s > 0 else None


class Goals:
    """The action server. `goal_policy` says what becomes of a goal while another runs: it is rejected, waits in line,
    or everything before it is cancelled.

    `maker()` raises NotActive where the node is not configured; `answering()` says whether the model's process shows
    signs of life.
    """

    def __init__(
        self,
        node: Node,
        group: CallbackGroup,
        settings: Settings,
        maker: Callable[[], Maker],
        answering: Callable[[], bool],
    ) -> None:
        self._settings, self._maker, self._answering = settings, maker, answering
        self._log = node.get_logger()
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

    def _on_goal(self, _: GenerateShape.Goal) -> GoalResponse:
        policy = self._settings["goal_policy"]
        with self._lock:
            busy, waiting = self._running is not None, len(self._line)
        if busy and policy == "reject":
            self._log.info("goal rejected: another one runs (goal_policy is reject)")
            return GoalResponse.REJECT
        if waiting >= LONGEST_LINE:
            self._log.warning(f"goal rejected: {waiting} others wait")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        with self._lock:
            if (goal := self._known.get(bytes(handle.goal_id.uuid))) is not None:
                goal.cancel_asked = True
                goal.cancelled.set()
        return CancelResponse.ACCEPT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        goal, policy = Goal(handle), self._settings["goal_policy"]
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
        """Raises BadRequest for a field out of its range, and what load_audio and Maker.job raise."""
        asked = goal.handle.request

        def progress(stage: str, step: int, total: int) -> None:
            feedback = GenerateShape.Feedback(stage=STAGES[stage], step=step, total_steps=total)
            feedback.progress, feedback.elapsed_s = step / max(total, 1), time.monotonic() - goal.accepted
            goal.handle.publish_feedback(feedback)

        check_fields(asked)
        ask = Ask(
            waveform=load_audio(local_path(asked.audio_uri)) if asked.audio_uri else None,
            window_s=asked.window_s,
            seed=asked.seed,
            steps=asked.steps,
            num_points=asked.num_points,
            refine=asked.refine_with_camera,
            progress=progress,
            deadline=goal.deadline,
            cancelled=goal.cancelled,
        )
        return self._maker().job(ask)

    def _execute(self, handle: ServerGoalHandle) -> GenerateShape.Result:
        goal = self._known[bytes(handle.goal_id.uuid)]
        result = GenerateShape.Result()
        try:
            message = self._run(goal)
            known = message.confidence >= self._settings["trigger.min_confidence"]
            result.code, result.shape, result.message = Code.SUCCESS, message, verdict(message, known)
            handle.succeed()
        except BaseException as error:
            if self._cancel_requested(goal):
                result.code, result.message = code_of(Cancelled())
                handle.canceled()
            else:
                result.code, result.message = code_of(error)
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
        if (over := goal.over()) is not None:
            raise over
        future = self._maker().submit(goal.job or self._job(goal))
        over_since: float | None = None
        while not wait([future], timeout=POLL_S).done:
            self._dismiss()
            if (over := goal.over()) is None:
                continue
            over_since = over_since or time.monotonic()
            patience_s = DEADLINE_S if isinstance(over, DeadlineMissed) else CANCEL_S
            if goal.handle.is_cancel_requested:  # since before the goal was known
                goal.cancelled.set()
            if not self._answering() or time.monotonic() - over_since > patience_s:
                goal.cancelled.set()  # a late shape is not published
                raise over
        return future.result()

    def _dismiss(self) -> None:
        """Answer those in the line that need not wait for their turn."""
        with self._lock:
            over = [goal for goal in self._line if goal.over() is not None]
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


def check_fields(asked: GenerateShape.Goal) -> None:
    """Raises BadRequest. Fields that are settings of a run are checked where those are (audio2shape_core.settings)."""
    window = BY_NAME["audio.window_s"]
    if asked.window_s and asked.audio_uri:
        raise BadRequest(f"window_s is {asked.window_s:g} with audio_uri, expected 0: it is about live sound")
    if asked.window_s and (problem := window.problem(asked.window_s)):
        raise BadRequest(problem.replace(window.name, "window_s", 1) + " seconds, or 0 for audio.window_s")
    if not (math.isfinite(asked.deadline_s) and asked.deadline_s >= 0):
        raise BadRequest(f"deadline_s is {asked.deadline_s}, expected seconds above 0, or 0 for none")


def local_path(uri: str) -> Path:
    """A path or file:// address -> the path of a file. Raises BadRequest for anything else, NoAudio where none is."""
    try:
        parts = urlparse(uri)
        if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
            raise BadRequest(f"audio_uri {uri!r}: expected a path or file:// on the node's machine")
        path = Path(unquote(parts.path, errors="strict") if parts.scheme else uri).expanduser()
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a device or a pipe"
            raise BadRequest(f"audio_uri {uri!r} is {what}, expected a sound file")
        if not path.is_file():
            raise NoAudio(f"no sound file at {path} on the node's machine")
    except (ValueError, OSError, RuntimeError) as error:  # a NUL, too long, no such user, not an address
        if isinstance(error, (BadRequest, NoAudio)):
            raise
        raise BadRequest(f"audio_uri {uri[:80]!r}: {error}, expected a path or file:// on the node's machine") from None
    return path
