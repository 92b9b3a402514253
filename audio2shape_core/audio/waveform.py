"""Waveforms as the models hear them: float32 mono in [-1, 1]. Levels, what is repaired, what is refused, windows.

Files and messages go through the same functions. Levels are in dBFS about the mean, since a constant offset is not
heard: 0 is a full-scale square wave, a full-scale sine is at -3.
"""

from __future__ import annotations

import math

import numpy as np

from audio2shape_core.errors import InputError

SAMPLE_RATE = 16_000  # Hz
MIN_SECONDS = 0.1  # ten analysis frames; less is a click without a recognisable spectrum
# Below this peak nothing was recorded: microphone hiss and 8-bit rounding lie under it, faint real events above.
SILENCE_DBFS = -60.0
FLOOR_DBFS = -120.0  # what digital silence measures, instead of minus infinity
# A rate outside this range is a damaged header; believing it would ask for an absurd resampling filter.
RATES = (1_000, 384_000)  # Hz
MAX_CHANNELS = 64
BEYOND = 4.0  # times full scale, or times the loudest peak that lasts: a sample beyond it was never measured
LASTING = 9  # samples; a peak lasts if more than half of so many in a row are as loud
MAX_FAULTY = 0.01  # share of samples that may be repaired
OFFSET_S = 0.1  # what changes more slowly than this is an offset


def check_format(rate: int, channels: int, name: str) -> None:
    """Raises InputError for a rate or a number of channels that no sound has; `name` begins the message."""
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= MAX_CHANNELS:
        raise InputError(
            f"{name}: {channels} channels with a sample rate {rate} Hz, expected 1 to {MAX_CHANNELS} channels and "
            f"{RATES[0]} to {RATES[1]} Hz: the header is damaged, or the sound wants exporting anew"
        )


def mix(frames: np.ndarray, channel: int = -1) -> np.ndarray:
    """(S, C) float -> (S,) float32: one channel, or the average of all for -1. Raises InputError for another one."""
    if not -1 <= channel < frames.shape[1]:
        raise InputError(f"channel {channel}: expected 0 to {frames.shape[1] - 1}, or -1 for the average")
    if channel >= 0:
        return frames[:, channel].astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are repaired later
        return frames.mean(axis=1, dtype=np.float64).astype(np.float32)


def repair(waveform: np.ndarray, name: str = "sound") -> np.ndarray:
    """Set the samples (S,) float32 that no microphone measured to 0; the waveform itself where there are none.

    Those are NaN, infinities, and single samples beyond BEYOND times full scale and the loudest peak that lasts: one
    absurd number decides nothing, while a file of floats in the range of 16-bit integers stays as it is.
    Raises InputError where they are more than MAX_FAULTY of all.
    """
    faulty = ~np.isfinite(waveform)
    loudness = np.abs(np.where(faulty, 0, waveform))
    if loudness.max(initial=0) > BEYOND:
        from scipy.ndimage import median_filter

        faulty |= loudness > BEYOND * max(1.0, float(median_filter(loudness, LASTING).max()))
    if not faulty.any():
        return waveform
    if (share := faulty.mean()) > MAX_FAULTY:
        raise InputError(
            f"{name}: {share:.0%} of the samples are NaN, infinite or absurd, expected finite ones: export it again, "
            "or check the sample format"
        )
    return np.where(faulty, np.float32(0), waveform)


def full_scale(waveform: np.ndarray) -> np.ndarray:
    """A waveform (S,) beyond full scale, divided by its peak; others as they are."""
    peak = max(waveform.max(initial=0), -waveform.min(initial=0))
    return waveform / peak if peak > 1 else waveform


def center(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Take a constant or slowly drifting offset out of a waveform (S,), where it is twice as strong as the sound.

    A weaker one stays: the models hear nothing below 40 Hz.
    """
    size = max(1, round(OFFSET_S * sample_rate))
    starts = np.arange(0, max(1, len(waveform) - size // 2), size)  # the last block is at least half a block
    lengths = np.diff(np.append(starts, len(waveform)))
    if not len(waveform):
        return waveform
    means = np.add.reduceat(waveform, starts, dtype=np.float64) / lengths
    offset, all_of_it = np.dot(lengths, means**2), np.square(waveform).sum(dtype=np.float64)
    if offset <= 4 * (all_of_it - offset):
        return waveform
    middles = starts + (lengths - 1) / 2
    if len(means) > 1:  # the drift goes on as it is before the first and after the last middle
        first, last = 1.5 * means[0] - 0.5 * means[1], 1.5 * means[-1] - 0.5 * means[-2]
        before, after = middles[0] - (middles[1] - middles[0]) / 2, middles[-1] + (middles[-1] - middles[-2]) / 2
        means, middles = np.r_[first, means, last], np.r_[before, middles, after]
    return waveform - np.interp(np.arange(len(waveform)), middles, means).astype(np.float32)


def check_waveform(waveform: np.ndarray, sample_rate: int = SAMPLE_RATE, *, name: str = "waveform") -> np.ndarray:
    """Refuse what no model can use, with one line that says why; `name` begins that line.

    Returns the waveform repaired and centred, (S,) float32 in [-1, 1]. Raises InputError unless it is one channel of at
    least MIN_SECONDS whose peak, about its mean, is above SILENCE_DBFS.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.dtype.kind != "f":
        raise InputError(
            f"{name}: shape {waveform.shape} of {waveform.dtype}, expected one channel (S,) of floats in [-1, 1]: "
            "average the channels and divide integers by their full scale"
        )
    if len(waveform) < MIN_SECONDS * sample_rate:
        raise InputError(
            f"{name}: holds {len(waveform)} samples ({len(waveform) / sample_rate:.3f} s), "
            f"expected at least {MIN_SECONDS} s: record longer"
        )
    waveform = center(full_scale(repair(waveform, name)).astype(np.float32), sample_rate)
    mean = waveform.mean(dtype=np.float64)
    peak = _to_dbfs(max(waveform.max() - mean, mean - waveform.min()))
    if peak < SILENCE_DBFS:
        raise InputError(
            f"{name}: silent (peak {peak:.0f} dBFS), expected a peak above {SILENCE_DBFS:.0f} dBFS: "
            "raise the gain or unmute the microphone"
        )
    return waveform


def resample(waveform: np.ndarray, rate: int, target: int) -> np.ndarray:
    """(S,) at `rate` Hz -> (ceil(S * target / rate),) float32 at `target` Hz, by a polyphase anti-aliasing filter."""
    waveform = np.asarray(waveform, np.float32)
    if rate == target or not len(waveform):
        return waveform
    from scipy.signal import resample_poly

    common = math.gcd(int(rate), int(target))
    return resample_poly(waveform, target // common, rate // common).astype(np.float32, copy=False)


def fit_window(waveform: np.ndarray, seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The `seconds` of a longer waveform that hold the most energy; a shorter one is repeated to length.

    Returns (round(seconds * sample_rate),) float32.
    """
    size = round(seconds * sample_rate)
    if size < 1 or not len(waveform):
        raise InputError(f"a window of {seconds} s from {len(waveform)} samples: expected both to be more than zero")
    waveform = np.asarray(waveform, np.float32)
    if len(waveform) <= size:
        return np.resize(waveform, size)  # np.resize repeats
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    start = int(np.argmax(energy[size:] - energy[:-size]))
    return waveform[start : start + size].copy()


def glances(waveform: np.ndarray, seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Three windows of `seconds`, a quarter of that apart, over the loudest stretch of a sound: (3, S) float32.

    What one window misses or takes for something else, the average of three seldom does. A shorter sound is repeated.
    """
    size, step = round(seconds * sample_rate), round(seconds * sample_rate / 4)
    stretch = fit_window(waveform, (size + 2 * step) / sample_rate, sample_rate)
    return np.stack([stretch[start : start + size] for start in (0, step, 2 * step)])


def rms_dbfs(waveform: np.ndarray) -> float:
    """Root mean square level about the mean, dBFS; FLOOR_DBFS for digital silence or no samples."""
    return _to_dbfs(math.sqrt(np.var(waveform, dtype=np.float64))) if len(waveform) else FLOOR_DBFS


def channels_cancel(average: float, channels: np.ndarray) -> bool:
    """Whether channels of opposite sign leave next to nothing of each other.

    average: variance of the average of all channels; channels: (C,) their own. Independent channels leave 1 / C.
    """
    loud = float(np.mean(channels))
    return loud > 10 ** (SILENCE_DBFS / 10) and average * len(channels) < 0.01 * loud


def _to_dbfs(amplitude: float) -> float:
    return max(FLOOR_DBFS, 20.0 * math.log10(max(float(amplitude), 1e-30)))
