"""The microphone: whatever it sends, into a ring of recent samples on the node's clock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from audio2shape_core.audio import AudioRing, Window, rms_dbfs
from audio2shape_core.errors import InputError
from audio2shape_ros.audio.decoder import Decoder, Sound
from audio2shape_ros.audio.publishers import Publishers, ros_drivers_family
from audio2shape_ros.audio.stamps import Losses, SoundClock
from audio2shape_ros.diagnostics import ERROR, OK, WARN, Report
from audio2shape_ros.errors import NoAudio
from audio2shape_ros.parameters import Settings
from audio2shape_ros.ros import STEADY, subscribe_latched

FOLLOW_S = 0.5  # between two looks at the publishers
RING_S = 12.0  # longer than the longest window
GAP_S = 0.25  # beyond the jitter of any stamps: sound was lost
JUMP_S = 1.0  # the stream went elsewhere, for instance a bag that started again
CLIPPED = 0.01  # share of a message's samples at the very top of the scale, beyond which it was clipped
RATE_OVER_S = 5.0  # time over which the samples that arrive are counted,
SETTLE_S = 1.0  # beginning so long after an interruption, when what was held up has come
SILENT_DBFS = -100.0  # below the noise of any microphone that is on
QUIET_S = 3.0  # without a message this long, the microphone is off; how long an odd one is talked about
RATE_OFF = 0.06  # by which the sound that arrives may differ from what its format says: less than 44.1 to 48 kHz
NEVER = float("-inf")


@dataclass
class AudioStatus:
    """What diagnostics say about the input. Times are time.monotonic()."""

    messages: int = 0
    sample_rate: int = 0  # Hz, as the format says
    gaps: int = 0
    clipped: int = 0
    level_dbfs: float = -120.0
    last_message: float = NEVER
    last_understood: float = NEVER
    last_gap: float = NEVER
    last_clip: float = NEVER
    last_sound: float = NEVER  # that was not digital silence
    last_error: float = NEVER
    error: str = ""
    _arrivals: deque[tuple[float, int]] = field(default_factory=deque, repr=False)  # of RATE_OVER_S
    _settled: float = field(default=NEVER, repr=False)  # when they may be counted from

    def heard(self, mono: np.ndarray, rate: int, end: float, *, lost: bool, interrupted: bool) -> None:
        """Note the (S,) samples of a message that was understood; `end`: when the last of them sounded."""
        now = time.monotonic()
        if rate != self.sample_rate or interrupted:
            self._arrivals.clear()
            self._settled = end + SETTLE_S
            self.last_sound = now  # what has only begun is not silent yet
        if end >= self._settled:
            self._arrivals.append((end, len(mono)))
        while len(self._arrivals) > 1 and end - self._arrivals[1][0] >= RATE_OVER_S:
            self._arrivals.popleft()
        self.sample_rate, self.error, self.last_understood = rate, "", now
        if np.count_nonzero(np.abs(mono) >= 0.999) > CLIPPED * len(mono):
            self.clipped, self.last_clip = self.clipped + 1, now
        self.level_dbfs = rms_dbfs(mono)
        if self.level_dbfs > SILENT_DBFS:
            self.last_sound = now
        if lost:
            self.gaps, self.last_gap = self.gaps + 1, now

    def problem(self) -> str:
        """Why the latest messages were refused; empty where they were not, or none arrives any more."""
        return self.error if time.monotonic() - self.last_error < QUIET_S else ""

    def measured_rate(self) -> float | None:
        """Samples a second that really arrive, None before that is known."""
        rows = list(self._arrivals)
        spent = rows[-1][0] - rows[0][0] if rows else 0.0
        return sum(count for _, count in rows[1:]) / spent if spent >= RATE_OVER_S else None


class AudioInput:
    """Listens to `audio` and `audio_info`, and keeps the most recent sound.

    `on_sound(samples, rate, end)` is called for every message: mono float32, Hz, seconds of the node's clock.
    """

    def __init__(
        self, node: Node, settings: Settings, group: CallbackGroup, on_sound: Callable[[np.ndarray, int, float], None]
    ) -> None:
        self._node, self._settings, self._on_sound = node, settings, on_sound
        self._lock = threading.Lock()
        self._decoder, self._losses = Decoder(settings), Losses()
        self._ring: AudioRing | None = None
        self.clock, self.status = SoundClock(), AudioStatus()
        self.publishers = Publishers(node, settings, group, self._on_message, self._on_new_publisher, self._complain)
        self._infos = []
        if ros_drivers_family():
            from audio_common_msgs.msg import AudioInfo

            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            plain = node.create_subscription(AudioInfo, "audio_info", self._on_info, qos, callback_group=group)
            self._infos = [plain, subscribe_latched(node, AudioInfo, "audio_info", self._on_info, group)]
        self._timer = node.create_timer(FOLLOW_S, self._follow, callback_group=group, clock=STEADY)
        self._follow()

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self.publishers.close()
        for subscription in self._infos:
            self._node.destroy_subscription(subscription)
        self._infos = []

    def window(self, seconds: float) -> tuple[Window, int]:
        """The newest `seconds` of sound with their times on the node's clock, and the sample rate.

        Raises NoAudio before any sound was understood, and when the newest is older than audio.max_age_s.
        """
        ring, most = self._ring, self._settings["audio.max_age_s"]
        age = time.monotonic() - self.status.last_understood
        if ring is not None and len(ring) and age <= most:
            return ring.heard(seconds), ring.sample_rate
        what = f"no sound for {age:.0f} s" if ring is not None and len(ring) else "no sound"
        why = self.status.problem() or "start the microphone or remap audio"
        raise NoAudio(f"{what} on {self.publishers.topic}, expected some within {most:g} s (audio.max_age_s): {why}")

    def _follow(self) -> None:
        self.publishers.follow(self.status.last_understood)

    def _on_new_publisher(self) -> None:
        with self._lock:
            self._decoder.forget_rest()

    def _on_message(self, kind: str, message: Any) -> None:
        """A message that cannot be used is counted and explained; it never ends the node."""
        with self._lock:
            self.status.messages += 1
            self.status.last_message = time.monotonic()
            try:
                if (sound := self._decoder.decode(kind, message)) is not None:
                    self._keep(sound)
            except InputError as error:
                self._complain(str(error))
            except Exception as error:
                self._complain(f"audio message not understood: {type(error).__name__}: {error}")

    def _complain(self, problem: str) -> None:
        self.status.error, self.status.last_error = problem, time.monotonic()
        self._node.get_logger().warning(problem, throttle_duration_sec=10.0)

    def _on_info(self, message: Any) -> None:
        with self._lock:
            try:
                learned = self._decoder.learn(message)
                self._node.get_logger().debug(f"audio_info: {learned}")
            except InputError as error:
                self._complain(str(error))

    def _keep(self, sound: Sound) -> None:
        if sound.restarted:
            self._ring = None
        mono, rate = sound.mono, sound.rate
        if not len(mono):
            return
        ring, duration = self._ring, len(mono) / rate
        if ring is None or ring.sample_rate != rate:
            ring = self._ring = AudioRing(RING_S, rate)
            self._losses = Losses()
        end = self._end_of(sound, duration)
        gap = ring.append(mono, end)
        if abs(gap) > JUMP_S:
            ring.clear()
            ring.append(mono, end)
        stamped = self.clock.source == "header"
        lost = stamped and sound.punctual and self._losses.lost(end - duration, duration)
        # Without stamps, sound that seems to overlap only came late, several messages at once.
        if interrupted := gap > GAP_S or (stamped and gap < -GAP_S):
            self._losses = Losses()
        self.status.heard(mono, rate, end, lost=lost or interrupted, interrupted=interrupted)
        self._on_sound(mono, rate, end)

    def _end_of(self, sound: Sound, duration: float) -> float:
        now, before = self._node.get_clock().now().nanoseconds * 1e-9, self.clock.problem
        end = self.clock.end_of(sound.start, duration, now, time.monotonic())
        if self.clock.problem and not before:
            self._node.get_logger().warning(
                f"{self.clock.problem}: the time of arrival is used instead; mend the sender's clock",
                throttle_duration_sec=60.0,
            )
        return end

    def report(self) -> Report:
        s, now, rate, topic = self.status, time.monotonic(), self.status.measured_rate(), self.publishers.topic
        values = {
            "type": self.publishers.kind,
            "reliability": self.publishers.reliability,
            "format": self._decoder.format,
            "stamps": self.clock.source,
            "messages": s.messages,
            "samples/s": f"{rate:.0f}" if rate else "",
            "gaps": s.gaps,
            "clipped messages": s.clipped,
            "level dBFS": f"{s.level_dbfs:.0f}",
        }
        if problem := s.problem():
            return Report(ERROR, problem, values)
        if now - s.last_message > QUIET_S:
            return Report(WARN, f"nothing arrives on {topic}: start the microphone or remap audio", values)
        if now - s.last_understood > QUIET_S:
            return Report(WARN, f"what arrives on {topic} holds no sound: is the microphone open?", values)
        if self.clock.problem:
            return Report(WARN, f"{self.clock.problem}: the time of arrival is used", values)
        if rate and abs(rate / s.sample_rate - 1) > RATE_OFF:
            seen = f"{rate:.0f} samples arrive a second, expected {s.sample_rate}"
            lost = ", if none are lost on the way" if rate < s.sample_rate else ""
            mend = f"set audio.sample_rate and audio.channels, or mend audio_info{lost}"
            return Report(WARN, f"{seen}: {mend}", values)
        if now - s.last_gap < QUIET_S:
            summary = "sound was lost between two messages: is the machine or the network too busy?"
            return Report(WARN, summary, values)
        if now - s.last_sound > QUIET_S:
            return Report(WARN, "digital silence: is the microphone muted?", values)
        if now - s.last_clip < QUIET_S:
            return Report(WARN, "the microphone clips: lower its gain", values)
        if self.clock.remark:
            return Report(WARN, self.clock.remark, values)
        return Report(OK, "hearing", values)
