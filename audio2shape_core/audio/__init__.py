"""Sound: files and messages to waveforms, their levels and windows, a ring of recent samples, onsets."""

from audio2shape_core.audio.files import load_audio
from audio2shape_core.audio.stream import AudioRing, OnsetDetector, Window
from audio2shape_core.audio.waveform import (
    FLOOR_DBFS,
    MIN_SECONDS,
    SAMPLE_RATE,
    center,
    channels_cancel,
    check_format,
    check_waveform,
    fit_window,
    full_scale,
    glances,
    mix,
    repair,
    resample,
    rms_dbfs,
)

__all__ = [
    "FLOOR_DBFS",
    "MIN_SECONDS",
    "SAMPLE_RATE",
    "AudioRing",
    "OnsetDetector",
    "Window",
    "center",
    "channels_cancel",
    "check_format",
    "check_waveform",
    "fit_window",
    "full_scale",
    "glances",
    "load_audio",
    "mix",
    "repair",
    "resample",
    "rms_dbfs",
]
