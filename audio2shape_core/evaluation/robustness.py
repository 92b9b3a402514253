"""What recordings suffer before they reach a robot, to measure how well it still hears through it.

Each change is a pure function of a waveform, (S,) float32 in [-1, 1] at 16 kHz, and a random generator. `CHANGES` names
those that the evaluation reports.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import soundfile

from audio2shape_core.audio import SAMPLE_RATE, fit_window, resample
from audio2shape_core.synthetic.sounds.effects import reverberate

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def gain(db: float) -> Change:
    """Louder or softer; what passes full scale is clipped, as a converter would."""
    return lambda waveform, rng: np.clip(waveform * 10 ** (db / 20), -1, 1).astype(np.float32)


def clip(share: float) -> Change:
    """Overdriven until about this share of the samples sits at full scale."""

    def change(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        level = max(float(np.quantile(np.abs(waveform), 1 - share)), 1e-6)
        return np.clip(waveform / level, -1, 1).astype(np.float32)

    return change


def noise(snr_db: float) -> Change:
    """White noise at a signal-to-noise ratio over the whole clip; scaled down if the sum passes full scale."""

    def change(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hiss = rng.standard_normal(len(waveform))
        noisy = waveform + hiss * np.sqrt(np.mean(np.square(waveform)) / np.mean(hiss**2)) * 10 ** (-snr_db / 20)
        return (noisy / max(1.0, np.abs(noisy).max())).astype(np.float32)

    return change


def reverb(rt60: float) -> Change:
    """A room in which sound falls by 60 dB in `rt60` seconds."""

    def change(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wet = reverberate(waveform, rt60, rng)
        return (wet / max(1.0, np.abs(wet).max())).astype(np.float32)

    return change


def window(seconds: float) -> Change:
    """Only the loudest `seconds` were recorded."""
    return lambda waveform, rng: fit_window(waveform, min(seconds, len(waveform) / SAMPLE_RATE))


def telephone(rate: int = 8_000) -> Change:
    """Sampled at a lower rate: nothing is left above half of it. Same length as before."""

    def change(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        back = resample(resample(waveform, SAMPLE_RATE, rate), rate, SAMPLE_RATE)[: len(waveform)]
        return np.clip(back, -1, 1)

    return change


def mp3(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through an MP3 encoder at its strongest compression and back; the codec adds a little silence at the ends."""
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.99)
    file.seek(0)
    return np.clip(soundfile.read(file, dtype="float32")[0], -1, 1)


CHANGES: dict[str, Change] = {
    "clean": lambda waveform, rng: waveform,
    "gain -20 dB": gain(-20),
    "gain +20 dB": gain(20),
    "clipped 5 %": clip(0.05),
    "noise 20 dB": noise(20),
    "noise 10 dB": noise(10),
    "noise 0 dB": noise(0),
    "reverb 0.5 s": reverb(0.5),
    "reverb 1.5 s": reverb(1.5),
    "1 s window": window(1.0),
    "8 kHz": telephone(),
    "mp3": mp3,
}
