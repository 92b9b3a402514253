"""What happens to a sound on its way to the recording: speed, cuts, band limits, echo, noise. S samples at 16 kHz."""

import numpy as np
from scipy.signal import fftconvolve

from audio2shape_core.audio import SAMPLE_RATE


def change_speed(waveform: np.ndarray, factor: float) -> np.ndarray:
    """Play `factor` times as fast (pitch moves along), by linear interpolation."""
    positions = np.arange(0, len(waveform) - 1, factor)
    return np.interp(positions, np.arange(len(waveform)), waveform)


def random_cut(waveform: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random stretch of `size` samples; a shorter recording is repeated to length from a random start."""
    if len(waveform) < size:
        repeated = np.tile(waveform, -(-2 * size // len(waveform)))
        start = rng.integers(len(waveform)) if rng.random() < 0.5 else 0
        return repeated[start : start + size]
    start = rng.integers(len(waveform) - size + 1)
    return waveform[start : start + size]


def limit_band(waveform: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """Nothing above a frequency, as from a telephone or a slow microphone."""
    spectrum = np.fft.rfft(waveform)
    spectrum[int(cutoff_hz / SAMPLE_RATE * len(waveform)) :] = 0
    return np.fft.irfft(spectrum, len(waveform))


def reverberate(waveform: np.ndarray, rt60: float, rng: np.random.Generator) -> np.ndarray:
    """Convolve with exponentially decaying noise whose level falls by 60 dB in `rt60` seconds."""
    times = np.arange(int(rt60 * SAMPLE_RATE)) / SAMPLE_RATE
    response = rng.standard_normal(len(times)) * 10.0 ** (-3.0 * times / rt60)
    response *= rng.uniform(0.1, 0.5) / np.linalg.norm(response)
    response[0] = 1.0
    return fftconvolve(waveform, response)[: len(waveform)]


def coloured_noise(size: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of a random spectral slope, white to brown: (size,)."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum *= np.maximum(np.arange(len(spectrum)), 8.0) ** -rng.uniform(0.0, 1.0)
    return np.fft.irfft(spectrum, size)


def add_noise(waveform: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Add coloured noise at a signal-to-noise ratio."""
    noise = coloured_noise(len(waveform), rng)
    gain = np.sqrt(np.mean(waveform**2) / np.mean(noise**2)) * 10.0 ** (-snr_db / 20.0)
    return waveform + gain * noise
