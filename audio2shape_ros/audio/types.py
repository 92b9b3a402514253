"""The messages that carry sound, and nothing more: the doctor must run where the libraries to read them are missing."""

from __future__ import annotations

from typing import Any

from audio2shape_ros.optional import optional

TYPES = {"audio_data_stamped": "AudioDataStamped", "audio_stamped": "AudioStamped", "audio_data": "AudioData"}


def message_type(kind: str) -> Any | None:
    """The class behind audio.type, or None where the installed audio_common_msgs lacks it. Two packages share that
    name, with different messages, so nothing is imported by name before it is known to be there."""
    return optional("audio_common_msgs.msg", TYPES[kind])


def ros_drivers_family() -> bool:
    return message_type("audio_data_stamped") is not None
