"""A microphone that speaks the messages of ros-drivers/audio_common."""

import time

import numpy as np
from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from graph import LATCHED
from rclpy.time import Time
from sounds import RATE, pcm16, tone
from std_msgs.msg import Header


class Microphone:
    """Publishes a steady tone as AudioDataStamped, in chunks whose size is not a whole number of frames; but for the
    first ones, which nobody may hear yet. On a busy machine it sends late, but everything, as a sound card does."""

    CHUNK_S = 0.02
    WHOLE = 40  # messages

    def __init__(self, client, topic: str = "/audio", *, rate: int = RATE, channels: int = 1) -> None:
        self._node, self._topic, self._rate, self._channels = client.node, topic, rate, channels
        self.amplify(1.0)
        self.last_end = 0.0
        self.muted = False
        self.start()

    def amplify(self, volume: float) -> None:
        sound = np.clip(volume * tone(1.0, rate=self._rate), -1, 1)
        self._sound = pcm16(np.repeat(sound, self._channels))

    def start(self) -> None:
        self._position = self._sent = 0
        self._due_ns = self._now_ns()  # when the next chunk begins to sound
        self._publisher = self._node.create_publisher(AudioDataStamped, self._topic, 200)
        self.info = self._node.create_publisher(AudioInfo, f"{self._topic}_info", LATCHED)
        info = AudioInfo(channels=self._channels, sample_rate=self._rate, sample_format="S16LE", coding_format="wave")
        self.info.publish(info)
        self._timer = self._node.create_timer(self.CHUNK_S, self._speak)

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _speak(self) -> None:
        while self._due_ns <= self._now_ns():
            self._send()

    def _send(self) -> None:
        size = round(self.CHUNK_S * self._rate) * 2 * self._channels + (self._sent >= self.WHOLE)
        self._sent += 1
        chunk = np.take(self._sound, np.arange(self._position, self._position + size), mode="wrap").astype(np.uint8)
        self._position = (self._position + size) % len(self._sound)
        message = AudioDataStamped(header=Header(stamp=Time(nanoseconds=self._due_ns).to_msg()))
        message.audio.data = bytes(size) if self.muted else chunk.tobytes()
        self._due_ns += round(1e9 * size / (2 * self._channels * self._rate))
        self.last_end = self._due_ns * 1e-9
        self._publisher.publish(message)

    def lose(self, seconds: float) -> None:
        """Lose this much sound and go on."""
        self._due_ns += round(1e9 * seconds)

    def pause(self, seconds: float) -> None:
        """Lose this much sound."""
        self._timer.cancel()
        time.sleep(seconds)
        self._due_ns = self._now_ns()
        self._timer.reset()

    def stop(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)
        self._node.destroy_publisher(self.info)
