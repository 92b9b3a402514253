"""Audio messages of either audio_common_msgs to mono samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_ros.audio.formats import PCM_CODINGS, PORTAUDIO, PcmFormat, PcmStream, decode_portaudio, mix_down
from audio2shape_ros.audio.mp3 import Mp3Stream, looks_like_mp3
from audio2shape_ros.parameters import Settings
from audio2shape_ros.ros import octets, seconds

MP3_SUSPICIONS = 3  # messages in a row that start like MP3; PCM does so by chance now and then
MP3_CODINGS = ("mp3", "mpeg")


@dataclass(frozen=True)
class Sound:
    """What a message carried. mono: (S,) float32; rate: Hz; start: the message's stamp in seconds, None without one;
    punctual: whether the stamp is that of the first sample; restarted: whether what came before was no sound."""

    mono: np.ndarray
    rate: int
    start: float | None
    punctual: bool = True
    restarted: bool = False


class Decoder:
    """One stream of audio messages. What neither message nor audio_info says comes from the parameters audio.*.

    format: what is arriving, in words.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.format = ""
        self._stream: PcmStream | Mp3Stream | None = None
        self._batch_start: float | None = None  # of the first MP3 message that waits to be decoded
        self._suspicions = 0
        self._coding = ""  # as audio_info names it
        self._info: PcmFormat | None = None
        self._refused_info = ""  # why the newest audio_info cannot be used

    def learn(self, info: Any) -> PcmFormat:
        """Take over an audio_common_msgs/AudioInfo. Raises InputError for a format that cannot be read."""
        self._coding = info.coding_format.lower()
        try:
            self._info = PcmFormat(info.sample_rate, info.channels, info.sample_format or "S16LE")
        except InputError as error:
            self._refused_info = f"audio_info: {error}"
            raise InputError(self._refused_info) from None
        self._refused_info = ""
        return self._info

    def forget_rest(self) -> None:
        """Half a frame of a publisher that left does not belong before the next one's sound."""
        if isinstance(self._stream, PcmStream):
            self._stream.rest = b""

    def decode(self, kind: str, message: Any) -> Sound | None:
        """A message of the type behind `kind` (see publishers.TYPES); None where there is nothing to hear in it yet.

        Raises InputError for sound that cannot be read.
        """
        if kind == "audio_stamped":
            number, data = message.audio.info.format, message.audio.audio_data
            declared = PORTAUDIO.get(number, ("", 1.0))[0]
            filled = [name for name, _ in PORTAUDIO.values() if len(getattr(data, name))]
            if declared and filled not in ([], [declared]):
                raise InputError(
                    f"PortAudio format {number} with {', '.join(filled)}: expected samples in {declared} only"
                )
            frames, rate = decode_portaudio(message.audio)
            self.format = f"PortAudio {number} x {frames.shape[1]} at {rate} Hz"
            return self._sound(frames, rate, seconds(message.header.stamp))
        stamped = kind == "audio_data_stamped"
        data = octets(message.audio.data if stamped else message.data).tobytes()
        start = seconds(message.header.stamp) if stamped else None
        return self._mp3(data, start) if self._is_mp3(data) else self._pcm(data, start)

    def _is_mp3(self, data: bytes) -> bool:
        """By what audio_info says, else by what the messages look like. Raises InputError for another coding."""
        if self._coding in MP3_CODINGS:
            return True
        if self._coding not in PCM_CODINGS:
            raise InputError(f"the microphone sends {self._coding}, expected PCM or mp3: start it with format:=wave")
        if self._coding:
            return False
        self._suspicions = self._suspicions + 1 if looks_like_mp3(data) else 0
        return isinstance(self._stream, Mp3Stream) or self._suspicions >= MP3_SUSPICIONS

    def _mp3(self, data: bytes, start: float | None) -> Sound | None:
        restarted = not isinstance(self._stream, Mp3Stream)  # the first messages, taken for PCM, were noise
        if not isinstance(self._stream, Mp3Stream):
            self._stream = Mp3Stream()
        self._batch_start = self._batch_start or start
        try:
            frames = self._stream.feed(data)
        except InputError:
            self._stream = None  # perhaps it is no MP3 after all
            raise
        if not len(frames):
            return Sound(np.zeros(0, np.float32), 0, None, restarted=True) if restarted else None
        start, self._batch_start = self._batch_start, None
        self.format = f"MP3 x {frames.shape[1]} at {self._stream.sample_rate} Hz"
        return self._sound(frames, self._stream.sample_rate, start, punctual=False, restarted=restarted)

    def _pcm(self, data: bytes, start: float | None) -> Sound | None:
        if self._refused_info:  # read as something else, it would be noise
            raise InputError(self._refused_info)
        s, stream = self._settings, self._stream
        declared = self._info or PcmFormat(s["audio.sample_rate"], s["audio.channels"], s["audio.sample_format"])
        if not isinstance(stream, PcmStream) or stream.format != declared:
            stream = self._stream = PcmStream(declared, stream.rest if isinstance(stream, PcmStream) else b"")
        self.format = str(declared)
        return self._sound(stream.feed(data), declared.sample_rate, start)

    def _sound(self, frames: np.ndarray, rate: int, start: float | None, **marks: bool) -> Sound | None:
        mono = mix_down(frames, self._settings["audio.channel"])
        return Sound(mono, rate, start, **marks) if len(mono) else None
