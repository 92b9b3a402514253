"""The microphone: whichever audio_common_msgs there is, whatever it sends, into a ring of recent samples."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from audio2shape_core.audio import AudioRing, Window, rms_dbfs
from audio2shape_core.errors import InputError
from audio2shape_ros.audio.formats import PCM_CODINGS, PcmFormat, PcmStream, decode_portaudio, mix_down
from audio2shape_ros.audio.lost_messages import Losses
from audio2shape_ros.audio.mp3 import Mp3Stream, looks_like_mp3
from audio2shape_ros.audio.types import TYPES, message_type, ros_drivers_family
from audio2shape_ros.outputs.conversions import seconds
from audio2shape_ros.parameters import Settings

RCLError = rclpy_implementation.RCLError
RING_S = 12.0  # longer than the longest window
GAP_S = 0.25  # beyond the jitter of any stamps: sound was lost
JUMP_S = 1.0  # the stream went elsewhere, for instance a bag that started again
QUEUE = 1200  # messages: the ring at 100 Hz, so that a pause of the node loses none that the sender still has
MP3_SUSPICIONS = 3  # messages in a row that start like MP3; PCM does so by chance now and then
CLIPPED = 0.01  # share of a message's samples at the very top of the scale, beyond which it was clipped
RATE_OVER_S = 5.0  # time over which the samples that arrive are counted,
SETTLE_S = 1.0  # beginning so long after an interruption, when what was held up has come
SILENT_DBFS = -100.0  # below the noise of any microphone that is on
MP3_CODINGS = ("mp3", "mpeg")


@dataclass
class AudioStatus:
    """What diagnostics tell about the input."""

    kind: str = ""
    reliability: str = ""
    format: str = ""
    stamp_source: str = ""
    messages: int = 0
    sample_rate: int = 0  # Hz, as the format says
    gaps: int = 0
    clipped: int = 0
    level_dbfs: float = -120.0
    last_message: float = 0.0  # time.monotonic() of the latest; so are the next three
    last_gap: float = float("-inf")
    last_clip: float = float("-inf")
    last_sound: float = 0.0  # that was not digital silence
    error: str = ""
    coding: str = field(default="", repr=False)  # as audio_info tells it
    arrivals: deque[tuple[float, int]] = field(default_factory=deque, repr=False)  # of RATE_OVER_S
    settled: float = field(default=float("-inf"), repr=False)  # when they may be counted from

    def heard(self, mono: np.ndarray, rate: int, end: float, *, lost: bool, interrupted: bool) -> None:
        """Note the (S,) samples of a message that was understood; `end`: when the last of them sounded."""
        now = time.monotonic()
        if rate != self.sample_rate or interrupted:
            self.arrivals.clear()
            self.settled = end + SETTLE_S
            self.last_sound = now  # what has only begun is not silent yet
        if end >= self.settled:
            self.arrivals.append((end, len(mono)))
        while len(self.arrivals) > 1 and end - self.arrivals[1][0] >= RATE_OVER_S:
            self.arrivals.popleft()
        self.sample_rate, self.error = rate, ""
        if np.count_nonzero(np.abs(mono) >= 0.999) > CLIPPED * len(mono):
            self.clipped, self.last_clip = self.clipped + 1, now
        self.level_dbfs = rms_dbfs(mono)
        if self.level_dbfs > SILENT_DBFS:
            self.last_sound = now
        if lost:
            self.gaps, self.last_gap = self.gaps + 1, now

    def measured_rate(self) -> float | None:
        """Samples a second that really arrive, None before that can be told."""
        rows = list(self.arrivals)
        spent = rows[-1][0] - rows[0][0] if rows else 0.0
        return sum(count for _, count in rows[1:]) / spent if spent >= RATE_OVER_S else None


class AudioInput:
    """Subscribes to `audio` and `audio_info` as their publishers require, and keeps the most recent sound.

    `on_sound(samples, rate, end)` is called for every message: mono float32, Hz, seconds of the node's clock.
    """

    def __init__(self, node, settings: Settings, group, on_sound: Callable[[np.ndarray, int, float], None]) -> None:
        self._node, self._settings, self._group, self._on_sound = node, settings, group, on_sound
        self._lock = threading.Lock()
        self._subscription = None
        self._subscribed: tuple[str, bool] | None = None
        self._stream: PcmStream | Mp3Stream | None = None
        self._batch_start: float | None = None  # of the first message that waits to be decoded
        self._suspicions = 0
        self._losses = Losses()
        self._closed = False
        self._publishers: set[bytes] = set()  # their endpoints' ids
        self.ring: AudioRing | None = None
        self.status = AudioStatus()
        self._infos = []
        if ros_drivers_family():
            from audio_common_msgs.msg import AudioInfo

            for durability in (DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE):
                qos = QoSProfile(depth=1, durability=durability, reliability=ReliabilityPolicy.BEST_EFFORT)
                if durability is DurabilityPolicy.TRANSIENT_LOCAL:
                    qos.reliability = ReliabilityPolicy.RELIABLE
                info = node.create_subscription(AudioInfo, "audio_info", self._on_info, qos, callback_group=group)
                self._infos.append(info)
        self._info: PcmFormat | None = None
        self._refused_info = ""  # why the newest audio_info cannot be used
        self._timer = node.create_timer(0.5, self._follow_publishers, callback_group=group)
        self._follow_publishers()

    def close(self) -> None:
        self._closed = True
        self._node.destroy_timer(self._timer)
        for subscription in [*self._infos, self._subscription]:
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._infos, self._subscription = [], None

    def window(self, seconds: float) -> tuple[Window, int] | None:
        """The newest sound with its times on the node's clock, and its sample rate; None before any arrived."""
        ring = self.ring
        if ring is None or not len(ring):
            return None
        return ring.last(seconds), ring.sample_rate

    def _follow_publishers(self) -> None:
        """Subscribe with the type and reliability that the publishers of `audio` offer, again whenever that changes."""
        wanted, asked_qos = self._settings["audio.type"], self._settings["audio.qos"]
        topic = self._node.resolve_topic_name("audio")
        publishers = self._node.get_publishers_info_by_topic(topic)
        self._meet({bytes(p.endpoint_gid) for p in publishers})
        kinds = [wanted] if wanted != "auto" else list(TYPES)
        offered = [(k, [p for p in publishers if p.topic_type == f"audio_common_msgs/msg/{TYPES[k]}"]) for k in kinds]
        kind, matching = next(((k, found) for k, found in offered if found), (wanted, []))
        if kind == "auto":  # nobody publishes yet
            if publishers:
                self._complain(f"{topic} carries {publishers[0].topic_type}, expected a message of audio_common_msgs")
            return
        if not matching and self._subscription is not None:
            return  # the publisher left; it may come back as it was
        kind_class = message_type(kind)
        if kind_class is None:
            self._complain(f"the installed audio_common_msgs has no {TYPES[kind]}: build and source the one that has")
            return
        reliable = bool(matching) and all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in matching)
        if asked_qos != "auto":
            reliable = asked_qos == "reliable"
        if (kind, reliable) == self._subscribed:
            return
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribed = None
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        on_message = {
            "audio_data": self._on_data,
            "audio_data_stamped": self._on_data_stamped,
            "audio_stamped": self._on_stamped,
        }[kind]
        try:
            self._subscription = self._node.create_subscription(
                kind_class,
                "audio",
                self._guard(on_message),
                QoSProfile(depth=QUEUE, reliability=policy),
                callback_group=self._group,
            )
            if self._closed:  # meanwhile, in another thread
                self._node.destroy_subscription(self._subscription)
        except RCLError as error:  # the executor still waits on the old one, of another type; next time it does not
            self._complain(f"cannot listen to {topic} yet: {error}")
            return
        self._subscribed = (kind, reliable)
        self.status.kind, self.status.reliability = TYPES[kind], "reliable" if reliable else "best effort"
        self._node.get_logger().info(f"listening to {topic}: {TYPES[kind]}, {self.status.reliability}")

    def _meet(self, publishers: set[bytes]) -> None:
        """Half a frame of a publisher that left does not belong before the next one's sound."""
        with self._lock:
            if publishers - self._publishers and isinstance(self._stream, PcmStream):
                self._stream.rest = b""
            self._publishers = publishers

    def _guard(self, handle: Callable[[Any], None]) -> Callable[[Any], None]:
        """A message that cannot be used is counted and explained; it never ends the node."""

        def callback(message: Any) -> None:
            with self._lock:
                self.status.messages += 1
                self.status.last_message = time.monotonic()
                try:
                    handle(message)
                except InputError as error:
                    self._complain(str(error))
                except Exception as error:
                    self._complain(f"audio message not understood: {type(error).__name__}: {error}")

        return callback

    def _complain(self, problem: str) -> None:
        self.status.error = problem
        self._node.get_logger().warning(problem, throttle_duration_sec=10.0)

    def _now(self) -> float:
        return self._node.get_clock().now().nanoseconds * 1e-9

    def _on_info(self, message: Any) -> None:
        with self._lock:
            try:
                self.status.coding = message.coding_format.lower()
                told = PcmFormat(message.sample_rate, message.channels, message.sample_format or "S16LE")
                if told != self._info:
                    self._node.get_logger().info(f"audio_info: {told}")
                self._info, self._refused_info = told, ""
            except InputError as error:
                self._refused_info = f"audio_info: {error}"
                self._complain(self._refused_info)

    def _on_data(self, message: Any) -> None:
        self.status.stamp_source = "receive"
        self._bytes(message.data, None)

    def _on_data_stamped(self, message: Any) -> None:
        self.status.stamp_source = "header"
        self._bytes(message.audio.data, seconds(message.header.stamp))

    def _bytes(self, data: Any, start: float | None) -> None:
        data = bytes(data)
        if self._is_mp3(data):
            if not isinstance(self._stream, Mp3Stream):
                self._stream = Mp3Stream()
                self.ring = None  # what the first messages left there, taken for PCM, was noise
            self._batch_start = self._batch_start or start
            try:
                frames = self._stream.feed(data)
            except InputError:
                self._stream = None  # perhaps it is no MP3 after all
                raise
            if not len(frames):
                return
            rate, start, self._batch_start = self._stream.sample_rate, self._batch_start, None
            self.status.format = f"MP3 x {frames.shape[1]} at {rate} Hz"
        else:
            if self._refused_info:  # read as something else, it would be noise
                raise InputError(self._refused_info)
            s = self._settings
            told = self._info or PcmFormat(s["audio.sample_rate"], s["audio.channels"], s["audio.sample_format"])
            if not isinstance(self._stream, PcmStream) or self._stream.format != told:
                self._stream = PcmStream(told, self._stream.rest if isinstance(self._stream, PcmStream) else b"")
            frames, rate = self._stream.feed(data), told.sample_rate
            self.status.format = str(told)
        self._frames(frames, rate, start)

    def _is_mp3(self, data: bytes) -> bool:
        """By what audio_info says, else by what the messages look like. Raises InputError for another coding."""
        coding = self.status.coding
        if coding in MP3_CODINGS:
            return True
        if coding not in PCM_CODINGS:
            raise InputError(f"the microphone sends {coding}, expected PCM or mp3: start it with format:=wave")
        if coding:
            return False
        self._suspicions = self._suspicions + 1 if looks_like_mp3(data) else 0
        return isinstance(self._stream, Mp3Stream) or self._suspicions >= MP3_SUSPICIONS

    def _on_stamped(self, message: Any) -> None:
        self.status.stamp_source = "header"
        frames, rate = decode_portaudio(message.audio)
        self.status.format = f"PortAudio {message.audio.info.format} x {frames.shape[1]} at {rate} Hz"
        self._frames(frames, rate, seconds(message.header.stamp))

    def _frames(self, frames: np.ndarray, rate: int, start: float | None) -> None:
        """Keep (S, C) samples whose first sounded at `start`; without a stamp, the last one sounded now."""
        mono = mix_down(frames, self._settings["audio.channel"])
        if not len(mono):
            return
        end = self._now() if not start else start + len(mono) / rate
        if self.ring is None or self.ring.sample_rate != rate:
            self.ring, self._losses = AudioRing(RING_S, rate), Losses()
        gap = self.ring.append(mono, end)
        if abs(gap) > JUMP_S:
            self.ring.clear()
            self.ring.append(mono, end)
        punctual = bool(start) and not isinstance(self._stream, Mp3Stream)  # MP3 comes in frames of its own length
        lost = punctual and self._losses.lost(start, len(mono) / rate)
        if interrupted := abs(gap) > GAP_S:
            self._losses = Losses()
        self.status.heard(mono, rate, end, lost=lost or interrupted, interrupted=interrupted)
        self._on_sound(mono, rate, end)
