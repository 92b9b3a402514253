"""Changes to a recording: each does what its name says, in measurable terms, and nothing else."""

import numpy as np
import pytest

from audio2shape_core.audio import rms_dbfs
from audio2shape_core.evaluation import robustness

RATE = 16_000


def tone(frequency, seconds=2.0, amplitude=0.3):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def level_at(waveform, frequency):
    """dB of the spectrum within 5 Hz of a frequency."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) / len(waveform)
    hertz = np.fft.rfftfreq(len(waveform), 1 / RATE)
    return 20 * np.log10(spectrum[np.abs(hertz - frequency) < 5].max() + 1e-12)


@pytest.mark.parametrize("name", robustness.CHANGES)
def test_changes_are_pure(name):
    waveform = tone(500) + 0.1 * np.random.default_rng(1).standard_normal(2 * RATE).astype(np.float32)
    before = waveform.copy()
    changed = robustness.CHANGES[name](waveform, np.random.default_rng(0))
    assert changed.dtype == np.float32
    assert np.abs(changed).max() <= 1
    assert np.array_equal(waveform, before)
    assert np.array_equal(changed, robustness.CHANGES[name](waveform, np.random.default_rng(0)))


@pytest.mark.parametrize("snr_db", [20, 10, 0])
def test_noise_has_the_ratio_asked_for(snr_db):
    waveform = tone(500, amplitude=0.05)
    added = robustness.noise(snr_db)(waveform, np.random.default_rng(0)) - waveform
    assert rms_dbfs(waveform) - rms_dbfs(added) == pytest.approx(snr_db, abs=0.05)


def test_gain_and_clipping():
    rng = np.random.default_rng(0)
    assert rms_dbfs(robustness.gain(-20)(tone(500), rng)) == pytest.approx(rms_dbfs(tone(500)) - 20, abs=0.01)
    clipped = robustness.clip(0.05)(rng.standard_normal(RATE), rng)
    assert np.mean(np.abs(clipped) == 1) == pytest.approx(0.05, abs=0.002)


def test_reverb_falls_by_60_db_in_its_time():
    impulse = np.zeros(2 * RATE, np.float32)
    impulse[0] = 1
    response = robustness.reverb(0.5)(impulse, np.random.default_rng(0))
    early, late = response[800:1600], response[800 + 4000 : 1600 + 4000]  # a quarter of a second apart
    assert rms_dbfs(early) - rms_dbfs(late) == pytest.approx(30, abs=1.5)
    assert np.abs(response[round(0.52 * RATE) :]).max() < 1e-3


def test_telephone_keeps_low_and_drops_high():
    sound = tone(1000) + tone(6000)
    changed = robustness.telephone()(sound, np.random.default_rng(0))
    assert len(changed) == len(sound)
    assert level_at(changed, 1000) == pytest.approx(level_at(sound, 1000), abs=0.3)
    assert level_at(changed, 6000) < level_at(sound, 6000) - 40


def test_window_is_the_loudest_second():
    sound = np.concatenate([tone(500, 2, 0.01), tone(900, 1, 0.5), tone(500, 2, 0.01)])
    changed = robustness.window(1.0)(sound, np.random.default_rng(0))
    assert len(changed) == RATE
    assert rms_dbfs(changed) == pytest.approx(rms_dbfs(tone(900, 1, 0.5)), abs=0.1)
    assert len(robustness.window(1.0)(tone(500, 0.4), np.random.default_rng(0))) == round(0.4 * RATE)


def test_mp3_changes_samples_but_keeps_the_tone():
    changed = robustness.mp3(tone(800), np.random.default_rng(0))
    assert abs(len(changed) - 2 * RATE) < 0.15 * RATE
    assert level_at(changed, 800) == pytest.approx(level_at(tone(800), 800), abs=1)
    size = min(len(changed), 2 * RATE)
    assert not np.array_equal(changed[:size], tone(800)[:size])
