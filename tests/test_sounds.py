"""Made sounds: pitch against the FFT, MIDI bytes against a reader written here, and every class once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio2shape_core.errors import InputError
from audio2shape_core.synthetic import sounds
from audio2shape_core.synthetic.sounds import fluidsynth, instruments, signals
from audio2shape_core.synthetic.sounds.phrases import Note, frequency, phrase
from audio2shape_core.vocabulary import Vocabulary

RATE = 16_000
NAMES = Vocabulary.default().names
needs_fluidsynth = pytest.mark.skipif(not sounds.fluidsynth_available(), reason="FluidSynth is not installed")


def cents_off(waveform, expected, within=60.0):
    """Distance in cents of the strongest spectral peak near `expected` Hz, by a parabola through its top."""
    padded = 8 * len(waveform)
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), padded)) + 1e-12)
    hertz = np.arange(len(spectrum)) * RATE / padded
    near = np.abs(1200 * np.log2(np.maximum(hertz, 1) / expected)) < within
    top = np.argmax(np.where(near, spectrum, -np.inf))
    a, b, c = spectrum[top - 1 : top + 2]
    return 1200 * np.log2((top + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / padded / expected)


def test_the_vocabulary_is_covered():
    assert set(sounds.physical_labels()) == set(NAMES)


@pytest.mark.parametrize("label", NAMES)
def test_every_class_is_made(label):
    clip = sounds.synthesize(label, 3, 1.5, engine="physical")
    assert clip.shape == (24000,)
    assert clip.dtype == np.float32
    assert 0.05 < np.abs(clip).max() <= 1
    assert np.array_equal(clip, sounds.synthesize(label, 3, 1.5, engine="physical"))
    others = [sounds.synthesize(label, seed, 1.5, engine="physical") for seed in (4, 5)]
    assert all(np.corrcoef(clip, other)[0, 1] < 0.5 for other in others)


@settings(max_examples=40, deadline=None)
@given(label=st.sampled_from(NAMES), seed=st.integers(0, 2**31), seconds=st.floats(0.3, 6))
def test_any_seed_and_length(label, seed, seconds):
    clip = sounds.play_physical(label, seed, seconds)
    assert clip.shape == (round(seconds * RATE),)
    assert np.abs(clip).max() == pytest.approx(1)  # finite, and never silent


def test_bad_requests_are_refused():
    for call in (
        lambda: sounds.synthesize("harp", 0, engine="organ"),
        lambda: sounds.synthesize("unicorn", 0),
        lambda: sounds.play_fluidsynth("dog", 0),
        lambda: sounds.play_physical("banjo", 0),
    ):
        with pytest.raises(InputError, match="expected one of"):
            call()


@pytest.mark.parametrize("f", [41.2, 110.0, 261.6, 440.0, 987.8, 2093.0])
def test_plucked_strings_are_in_tune_and_die_away(f):
    rng = np.random.default_rng(0)
    tone = instruments.pluck(f, 2.0, decay=2.0, brightness=0.8, position=0.3, softness=0.4, rng=rng)
    assert abs(cents_off(tone[400:], f)) < 3
    early, late = np.std(tone[800:8000]), np.std(tone[-7200:])
    assert late < 0.2 * early


def test_the_pluck_position_silences_a_partial():
    """Plucked at a quarter of its length, a string has a node for its fourth partial there."""
    rng = np.random.default_rng(1)
    tone = instruments.pluck(200.0, 1.0, decay=3, brightness=0.95, position=0.25, softness=0.1, rng=rng)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))  # 1 Hz a bin
    third, fourth, fifth = (spectrum[200 * k - 4 : 200 * k + 5].max() for k in (3, 4, 5))
    assert fourth < 0.5 * min(third, fifth)


@pytest.mark.parametrize("label", sorted(instruments.VOICES))
def test_voices_play_the_note_they_are_given(label):
    rng = np.random.default_rng(2)
    tone = instruments.VOICES[label][0](rng)(440.0, 1.2, 0.6, rng)
    # Vibrato and stretched partials move the strongest line a little.
    assert abs(cents_off(tone[3200:], 440.0)) < 15


def test_modes_ring_at_their_frequency_and_decay():
    tone = signals.modes(1.0, np.array([1000.0]), np.array([0.5]), np.array([0.7]))
    t = np.arange(RATE) / RATE
    assert np.allclose(tone, 0.7 * np.sin(2 * np.pi * 1000 * t) * 10 ** (-3 * t / 0.5), atol=1e-6)


def test_resonance_has_unit_gain_at_its_peak():
    t = np.arange(RATE) / RATE
    assert np.abs(signals.resonate(np.sin(2 * np.pi * 900 * t), 900, 50)[-2000:]).max() == pytest.approx(1, abs=0.01)
    assert np.abs(signals.resonate(np.sin(2 * np.pi * 3000 * t), 900, 50)[-2000:]).max() < 0.05


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.floats(0.1, 8), many=st.booleans(), low=st.integers(21, 70))
def test_phrases_stay_in_range_and_time(seed, seconds, many, low):
    notes = phrase(np.random.default_rng(seed), seconds, low, low + 30, many_voices=many)
    assert notes
    assert all(low <= n.pitch <= max(low + 30, low + 7) and 1 <= n.velocity <= 127 for n in notes)
    assert all(0 <= n.start < seconds and n.length > 0 for n in notes)
    if not many:
        assert all(a.start + a.length <= b.start + 0.05 for a, b in zip(notes, notes[1:]))


def read_midi(content):
    """Note-on and note-off events [(ms, kind, pitch, velocity)] and the time of the end of the track."""
    assert content[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xf4"
    assert content[14:18] == b"MTrk"
    assert int.from_bytes(content[18:22], "big") == len(content) - 22
    events, now, at = [], 0, 22
    while True:
        delta = 0
        while content[at] & 0x80:
            delta, at = delta << 7 | content[at] & 0x7F, at + 1
        now, at = now + (delta << 7 | content[at]), at + 1
        status = content[at]
        if status == 0xFF:
            assert content[at:] == b"\xff\x2f\x00"
            return events, now
        size = 2 if status & 0xF0 == 0xC0 else 3
        events.append((now, status, *content[at + 1 : at + size]))
        at += size


def test_midi_files_hold_the_notes():
    notes = [Note(0.0, 0.5, 60, 90), Note(0.5, 20.0, 60, 80), Note(0.7, 0.1, 72, 70)]
    events, end = read_midi(fluidsynth.midi_file(notes, 46, 30.0))
    assert events == [
        (0, 0xC0, 46),
        (0, 0x90, 60, 90),
        (500, 0x80, 60, 0),
        (500, 0x90, 60, 80),
        (700, 0x90, 72, 70),
        (800, 0x80, 72, 0),
        (20500, 0x80, 60, 0),
    ]
    assert end == 30_000


@needs_fluidsynth
@pytest.mark.parametrize(("label", "pitch"), [("harp", 57), ("harp", 81), ("violin", 69), ("trombone", 57)])
def test_fluidsynth_plays_in_tune(label, pitch):
    clip = fluidsynth.render([Note(0.0, 1.5, pitch, 100)], fluidsynth.PROGRAMS[label][0][0], 1.5)
    assert clip.shape == (24000,)
    assert abs(cents_off(clip[3200:], frequency(pitch))) < 12  # recorded instruments, recorded vibrato


@needs_fluidsynth
@pytest.mark.parametrize("label", ["harp", "drum", "bell"])
def test_fluidsynth_clips_repeat(label):
    clip = sounds.synthesize(label, 5, 2.0, engine="fluidsynth")
    assert np.array_equal(clip, sounds.synthesize(label, 5, 2.0, engine="fluidsynth"))
    assert 0.05 < np.abs(clip).max() <= 1
    assert np.isfinite(clip).all()


def test_without_fluidsynth_the_models_play(monkeypatch):
    monkeypatch.setattr(fluidsynth.shutil, "which", lambda name: None)
    for seed in range(3):
        physical = sounds.synthesize("harp", seed, 1.0, engine="physical")
        assert np.array_equal(sounds.synthesize("harp", seed, 1.0), physical)
    with pytest.raises(InputError, match="apt install"):
        sounds.play_fluidsynth("harp", 0)
