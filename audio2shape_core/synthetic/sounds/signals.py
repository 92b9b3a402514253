"""The few signals that every model of a sounding thing is built from, at 16 kHz. S = samples, K = partials."""

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from audio2shape_core.audio import SAMPLE_RATE

NYQUIST = SAMPLE_RATE / 2
Rng = np.random.Generator


def num_samples(seconds: float) -> int:
    return max(1, round(seconds * SAMPLE_RATE))


def times(seconds: float) -> np.ndarray:
    """(S,) seconds."""
    return np.arange(num_samples(seconds)) / SAMPLE_RATE


def noise(rng: Rng, seconds: float, low: float = 0.0, high: float = NYQUIST) -> np.ndarray:
    """(S,) Gaussian noise of unit RMS between `low` and `high` Hz."""
    white = rng.standard_normal(num_samples(seconds))
    low, high = max(low, 0.0) / NYQUIST, min(high, NYQUIST) / NYQUIST
    if low > 0.001 and high < 0.999:
        white = sosfilt(butter(2, (low, high), "bandpass", output="sos"), white)
    elif high < 0.999:
        white = sosfilt(butter(2, high, "lowpass", output="sos"), white)
    elif low > 0.001:
        white = sosfilt(butter(2, low, "highpass", output="sos"), white)
    return white / (np.sqrt(np.mean(white**2)) + 1e-12)


def drift(rng: Rng, seconds: float, rate: float) -> np.ndarray:
    """(S,) smooth random curve of about unit spread that turns about `rate` times a second."""
    knots = rng.standard_normal(int(seconds * rate) + 4)
    return np.interp(times(seconds) * rate, np.arange(len(knots)), knots)


def contour(seconds: float, *points: tuple[float, float]) -> np.ndarray:
    """(S,) straight lines through (fraction of the length, value)."""
    where, values = zip(*points)
    return np.interp(np.linspace(0, 1, num_samples(seconds)), where, values)


def swell(seconds: float, attack: float, release: float) -> np.ndarray:
    """(S,) envelope that rises from 0 in `attack` seconds, stays at 1, and falls to 0 in the last `release`."""
    t = times(seconds)
    return np.clip(np.minimum(t / max(attack, 1e-3), (seconds - t) / max(release, 1e-3)), 0, 1)


def harmonics(frequency: np.ndarray, amplitudes: np.ndarray, rng: Rng) -> np.ndarray:
    """Sum of the multiples of a moving frequency.

    Arguments:
        frequency: (S,) Hz.
        amplitudes: (K,) or (K, S); partials above the Nyquist frequency fade out.
    """
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    total = np.zeros(len(frequency))
    for k, amplitude in enumerate(amplitudes, start=1):
        if k * frequency.min() < NYQUIST:
            audible = np.clip((NYQUIST - k * frequency) / 500, 0, 1)
            total += amplitude * audible * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
    return total


def modes(seconds: float, frequencies: np.ndarray, decays: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """A struck solid: sines at `frequencies` (Hz) that fall by 60 dB in `decays` (s). All (K,) -> (S,)."""
    impulse = np.zeros(num_samples(seconds))
    impulse[0] = 1.0
    total = np.zeros(len(impulse))
    for f, decay, amplitude in zip(frequencies, decays, amplitudes):
        if f < NYQUIST:
            # A two-pole filter rings as a decaying sine, ten times faster than evaluating one.
            angle, radius = 2 * np.pi * f / SAMPLE_RATE, 10.0 ** (-3 / (decay * SAMPLE_RATE))
            poles = [1, -2 * radius * np.cos(angle), radius**2]
            total += lfilter([0, amplitude * radius * np.sin(angle)], poles, impulse)
    return total


def resonate(waveform: np.ndarray, frequency: float, bandwidth: float) -> np.ndarray:
    """Pass through one resonance (a two-pole filter, unit gain at its peak), both in Hz."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    angle = 2 * np.pi * min(frequency, 0.98 * NYQUIST) / SAMPLE_RATE
    poles = [1, -2 * radius * np.cos(angle), radius**2]
    gain = (1 - radius) * np.abs(1 - radius * np.exp(-2j * angle))
    return lfilter([gain], poles, waveform)


def formants(waveform: np.ndarray, *peaks: tuple[float, float, float]) -> np.ndarray:
    """Sum of resonances given as (frequency Hz, bandwidth Hz, gain): a vocal tract, an instrument's body."""
    return np.sum([gain * resonate(waveform, frequency, bandwidth) for frequency, bandwidth, gain in peaks], axis=0)


def place(target: np.ndarray, sound: np.ndarray, start: float) -> None:
    """Add a sound to (S,) `target` in place from `start` seconds on; what reaches beyond the end is dropped."""
    begin = round(start * SAMPLE_RATE)
    size = min(len(sound), len(target) - begin)
    if size > 0:
        target[begin : begin + size] += sound[:size]


def event_times(rng: Rng, seconds: float, gap: float, jitter: float = 0.2) -> np.ndarray:
    """Increasing times in [0, seconds) about `gap` seconds apart; at least one."""
    gaps = gap * np.exp(jitter * rng.standard_normal(int(seconds / gap) + 2))
    starts = rng.uniform(0, min(gap, 0.3 * seconds)) + np.cumsum(gaps) - gaps[0]
    return starts[starts < seconds - 0.05 * min(1.0, seconds)]
