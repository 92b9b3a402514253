"""Sounds and messages for the tests."""

from __future__ import annotations

import array

import numpy as np

RATE = 16000


def tone(seconds: float, *, frequency: float = 440.0, amplitude: float = 0.3, rate: int = RATE) -> np.ndarray:
    """(S,) float32."""
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def pcm16(samples: np.ndarray) -> array.array:
    return array.array("B", np.round(samples * 32767).astype("<i2").tobytes())
