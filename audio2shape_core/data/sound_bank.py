"""Recordings in memory, by class, and the augmentation that training shows them through."""

from collections import Counter

import numpy as np
from scipy.signal import fftconvolve

from audio2shape_core.audio import load_audio
from audio2shape_core.data.manifest import Item
from audio2shape_core.errors import InputError

SAMPLE_RATE = 16_000


class SoundBank:
    """Waveforms of many recordings, kept as int16 (half the memory, no audible loss), drawn by class.

    `weights` (M,) say how likely a clip is within its class. Clips cut from one recording resemble each other, so a
    recording of n clips counts as sqrt(n) of them: sixty notes of one guitar must not drown twenty other guitars.
    `groups` (M,) names those recordings; a clip without a group is one of its own.
    """

    def __init__(self, waveforms: list[np.ndarray], labels: list[str], groups: list[str] | None = None) -> None:
        self.waveforms = [np.round(np.clip(w, -1, 1) * 32767).astype(np.int16) for w in waveforms]
        self.labels = np.array(labels)
        self.groups = groups or [f"clip {i}" for i in range(len(labels))]
        sizes = Counter(self.groups)
        self.weights = np.array([sizes[g] ** -0.5 for g in self.groups])
        self._index()

    def _index(self) -> None:
        self.by_label = {label: np.flatnonzero(self.labels == label) for label in sorted(set(self.labels))}
        self.odds = {label: self.weights[i] / self.weights[i].sum() for label, i in self.by_label.items()}

    @classmethod
    def read(cls, items: list[Item]) -> "SoundBank":
        """Decode recordings; silent or damaged ones are left out, since a data set of thousands has a few."""
        waveforms, labels, groups = [], [], []
        for item in items:
            try:
                waveforms.append(load_audio(item.path, sample_rate=SAMPLE_RATE))
            except InputError:
                continue
            labels.append(item.label)
            groups.append(f"{item.label}/{item.group}")
        return cls(waveforms, labels, groups)

    def completed_with(self, other: "SoundBank", share: float) -> "SoundBank":
        """This bank and another; where both have a class, the other's clips are drawn at `share` of its draws."""
        joined = SoundBank([], [])
        weights = other.weights.copy()
        for label in set(self.by_label) & set(other.by_label):
            theirs = other.by_label[label]
            ours = self.weights[self.by_label[label]].sum()
            weights[theirs] *= share / (1 - share) * ours / weights[theirs].sum()
        joined.waveforms = self.waveforms + other.waveforms
        joined.labels = np.concatenate([self.labels, other.labels])
        joined.groups = self.groups + [f"other {group}" for group in other.groups]
        joined.weights = np.concatenate([self.weights, weights])
        joined._index()
        return joined

    def waveform(self, index: int) -> np.ndarray:
        return self.waveforms[index].astype(np.float32) / 32768

    def draw(self, label: str, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """A random recording of a class, cut and augmented: (S,) float32."""
        index = rng.choice(self.by_label[label], p=self.odds[label])
        return augment(self.waveform(index), int(seconds * SAMPLE_RATE), rng)


def augment(waveform: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Speed, cut, band limit, reverb and background noise, each at random; loudness is left to the encoder."""
    if rng.random() < 0.5:
        waveform = change_speed(waveform, rng.uniform(0.88, 1.14))
    if rng.random() < 0.25:  # a robot often has heard only the beginning
        waveform = random_cut(waveform, int(rng.uniform(0.7, 2.0) * SAMPLE_RATE), rng)
    waveform = random_cut(waveform, size, rng)
    if rng.random() < 0.15:
        waveform = limit_band(waveform, rng.uniform(3000, 7000))
    if rng.random() < 0.25:
        waveform = reverberate(waveform, rng.uniform(0.1, 0.7), rng)
    if rng.random() < 0.35:
        waveform = add_noise(waveform, rng.uniform(3.0, 30.0), rng)
    return waveform.astype(np.float32)


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


def blend(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Two sounds at once, each at unit power before it is weighted by its share (mixup of waveforms)."""
    level = lambda w: w / (np.sqrt(np.mean(np.square(w))) + 1e-6)  # noqa: E731
    return (share * level(first) + (1 - share) * level(second)).astype(np.float32)


def mask_spectrogram(mel: np.ndarray, rng: np.random.Generator) -> None:
    """SpecAugment in place on (M, F): two masked bands, one masked stretch, and a random tilt of the spectrum."""
    bands, frames = mel.shape
    mel += np.linspace(-1, 1, bands, dtype=np.float32)[:, None] * rng.normal(0, 0.25)
    for _ in range(2):
        width = rng.integers(bands // 8 + 1)
        start = rng.integers(bands - width)
        mel[start : start + width] = 0.0
    width = rng.integers(frames // 5 + 1)
    start = rng.integers(frames - width)
    mel[:, start : start + width] = 0.0
