"""Decoding against what soundfile wrote, bad files one by one, the ring against a list, onsets at known times."""

import os
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from bounded import bounded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio2shape_core import audio
from audio2shape_core.audio import files
from audio2shape_core.errors import InputError

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tone(frequency, seconds, rate, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def loudest_frequency(waveform, rate=audio.SAMPLE_RATE):
    return np.argmax(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))) * rate / len(waveform)


@quick
@given(
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    channels=st.integers(1, 6),
    kind=st.sampled_from(["wav PCM_16", "wav FLOAT", "wav PCM_U8", "flac PCM_24", "aiff PCM_16"]),
    seconds=st.floats(0.2, 1.5),
    frequency=st.floats(200, 3000),
)
def test_any_rate_channels_and_format(tmp_path, rate, channels, kind, seconds, frequency):
    suffix, subtype = kind.split()
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, np.repeat(tone(frequency, seconds, rate)[:, None], channels, axis=1), rate, subtype=subtype)
    heard = audio.load_audio(path)
    assert heard.dtype == np.float32
    assert heard.ndim == 1
    assert np.abs(heard).max() <= 1
    assert abs(len(heard) / audio.SAMPLE_RATE - seconds) < 2e-3
    assert loudest_frequency(heard) == pytest.approx(frequency, abs=1.0 / seconds)
    middle = heard[len(heard) // 4 : -len(heard) // 4]  # clear of the filter's edges
    expected = tone(frequency, seconds, audio.SAMPLE_RATE)[len(heard) // 4 :][: len(middle)]
    assert np.abs(middle - expected).max() < 0.02


@pytest.mark.parametrize(("suffix", "rate"), [("ogg", 44100), ("mp3", 48000), ("mp3", 22050), ("opus", 48000)])
def test_lossy_formats(tmp_path, suffix, rate):
    path = tmp_path / f"sound.{suffix}"
    container = {"opus": {"format": "OGG", "subtype": "OPUS"}}.get(suffix, {})
    soundfile.write(path, np.stack([tone(440, 2, rate)] * 2, axis=1), rate, **container)
    heard = audio.load_audio(path)
    assert len(heard) / audio.SAMPLE_RATE == pytest.approx(2, abs=0.1)
    assert loudest_frequency(heard) == pytest.approx(440, abs=1)
    assert audio.rms_dbfs(heard) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1)


def test_channels_are_averaged(tmp_path):
    left, right = tone(300, 1, 16000), tone(700, 1, 16000)
    soundfile.write(tmp_path / "s.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    assert np.allclose(audio.load_audio(tmp_path / "s.wav"), (left + right) / 2, atol=1e-6)


def test_beyond_full_scale_is_scaled_not_clipped(tmp_path):
    int16_range = tone(300, 1, 16000, 20000.0)  # a common mistake of float files
    soundfile.write(tmp_path / "s.wav", int16_range, 16000, subtype="FLOAT")
    assert np.allclose(audio.load_audio(tmp_path / "s.wav"), tone(300, 1, 16000, 1.0), atol=1e-3)


def test_other_rates_on_request(tmp_path):
    soundfile.write(tmp_path / "s.wav", tone(300, 1, 44100), 44100)
    assert len(audio.load_audio(tmp_path / "s.wav", sample_rate=8000)) == 8000


def test_long_files_are_read_only_as_far_as_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_SECONDS", 1.5)
    soundfile.write(tmp_path / "s.wav", np.concatenate([tone(300, 2, 16000), tone(900, 2, 16000)]), 16000)
    heard = audio.load_audio(tmp_path / "s.wav")
    assert len(heard) == 24000
    assert loudest_frequency(heard) == pytest.approx(300, abs=1)


def damaged_header(path):
    """A WAV file whose header claims two billion samples a second."""
    soundfile.write(path, tone(300, 1, 16000), 16000)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 2_000_000_000)
    path.write_bytes(content)


def write(samples, rate=16000, subtype="FLOAT"):
    return lambda path: soundfile.write(path, np.asarray(samples, np.float32), rate, subtype=subtype)


with_nan = tone(300, 1, 16000)
with_nan[5000:5200] = np.nan

BAD_FILES = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "folder"),
    "empty": (lambda path: path.touch(), "empty"),
    "text": (lambda path: path.write_text("not a sound " * 100), "cannot be decoded"),
    "cut_header": (lambda path: path.write_bytes(b"RIFF\x10\x00\x00\x00WAVE"), "cannot be decoded"),
    "no_samples": (write([]), "0 samples"),
    "nan": (write(with_nan), "NaN"),
    "infinite": (write(np.where(np.arange(16000) % 50 == 7, np.inf, 0.1)), "2% of the samples are NaN, infinite"),
    "short": (write(tone(300, 0.09, 44100), 44100), "at least 0.1 s"),
    "silent": (write(np.zeros(16000)), "silent (peak -120 dBFS)"),
    "hiss": (write(tone(300, 1, 16000, 0.0009)), "silent (peak -61 dBFS)"),
    "offset": (write(np.full(16000, 0.4)), "silent"),
    "drift": (write(np.sin(np.arange(48000) / 48000)), "silent"),
    "cancelling": (write(np.stack([tone(300, 1, 16000), -tone(300, 1, 16000)], axis=1)), "--channel 0"),
    "nearly cancelling": (write(np.stack([tone(300, 1, 8000), -0.95 * tone(300, 1, 8000)], axis=1)), "--channel 0"),
    "rate": (damaged_header, "sample rate 2000000000"),
    "channels": (lambda path: soundfile.write(path, np.ones((4800, 1024)), 48000), "expected 1 to 64 channels"),
    "page": (lambda path: path.write_text("<!DOCTYPE html><html></html>" * 99), "web page"),
    "pipe": (lambda path: os.mkfifo(path), "is a pipe"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_in_one_line(tmp_path, case):
    make, reason = BAD_FILES[case]
    make(tmp_path / "sound.wav")
    with pytest.raises(InputError) as refusal:
        audio.load_audio(tmp_path / "sound.wav")
    message = str(refusal.value)
    assert reason in message
    assert "sound.wav" in message
    assert "expected" in message
    assert "\n" not in message


def test_headerless_files_are_refused(tmp_path):
    (tmp_path / "sound.raw").write_bytes(bytes(4000))
    with pytest.raises(InputError, match="cannot be decoded"):
        audio.load_audio(str(tmp_path / "sound.raw"))


@pytest.mark.parametrize(
    "waveform",
    [np.ones((16000, 2)), np.ones(16000, np.int16), np.zeros(10), np.full(16000, np.nan), np.full(16000, 1e-3)],
)
def test_bad_arrays_are_refused(waveform):
    with pytest.raises(InputError, match="^microphone"):
        audio.check_waveform(waveform, name="microphone")


@pytest.mark.parametrize("absurd", [1e30, -3e38, np.inf, np.nan, 50.0])
@pytest.mark.parametrize("scale", [1.0, 30000.0])
def test_a_single_absurd_sample_decides_nothing(tmp_path, absurd, scale):
    """In a file, in a message and in the ring: the rest is heard as if it were not there."""
    sound = tone(300, 1, 16000)
    broken = np.float32(scale) * sound
    broken[5000] = np.clip(absurd * scale, -3e38, None)
    expected = sound.copy()
    expected[5000] = 0
    if scale > 1:
        expected /= np.abs(expected).max()
    soundfile.write(tmp_path / "s.wav", broken, 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load_audio(tmp_path / "s.wav"), expected, atol=1e-6)
    ring = audio.AudioRing(2.0)
    ring.append(audio.repair(audio.mix(broken[:, None])), 1.0)
    np.testing.assert_allclose(ring.heard(1.0).samples, expected, atol=1e-6)


def test_a_click_of_floats_in_the_range_of_integers_is_no_fault():
    click = 20000 * np.exp(-np.arange(800) / 100) * np.sin(np.arange(800) / 2)
    waveform = np.concatenate([np.zeros(4000), click, np.zeros(80000)]).astype(np.float32)
    assert np.array_equal(audio.repair(waveform), waveform)


OFFSETS = {
    "none": np.zeros(48000),
    "constant": np.full(48000, 0.5),
    "drifting": 0.4 * np.sin(2 * np.pi * 0.2 * np.arange(48000) / 16000),
    "rising": np.linspace(-0.5, 0.5, 48000),
}


@pytest.mark.parametrize("offset", OFFSETS)
def test_an_offset_is_not_heard(offset):
    rng = np.random.default_rng(0)
    hiss, sound = rng.normal(0, 3e-4, 48000), noisy_room(3, [(1.5, 0.5, 0.03)])
    assert audio.rms_dbfs(audio.center((hiss + OFFSETS[offset]).astype(np.float32), 16000)) < -60
    heard = audio.center((sound + OFFSETS[offset]).astype(np.float32), 16000)
    assert audio.rms_dbfs(heard) == pytest.approx(audio.rms_dbfs(sound), abs=0.2)
    detector = audio.OnsetDetector()
    assert np.allclose(np.array(detector.process(sound + OFFSETS[offset])) / 16000, [1.5], atol=0.02)
    assert audio.OnsetDetector().process(hiss + OFFSETS[offset]) == []


def test_a_small_offset_changes_no_sample():
    sound = tone(300, 1, 16000, 0.1) + np.float32(0.05)
    assert audio.center(sound, 16000) is sound


def test_one_channel_of_many_on_request(tmp_path):
    left = tone(300, 1, 16000)
    soundfile.write(tmp_path / "s.wav", np.stack([left, -left], axis=1), 16000, subtype="FLOAT")
    assert np.array_equal(audio.load_audio(tmp_path / "s.wav", channel=1), -left)
    with pytest.raises(InputError, match="channel 2: expected 0 to 1"):
        audio.load_audio(tmp_path / "s.wav", channel=2)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("length", [0, 2**31 - 1, 2**32 - 1, 10**6])
def test_a_recording_whose_recorder_was_killed_is_read_to_its_end(tmp_path, subtype, length):
    path = tmp_path / "s.wav"
    soundfile.write(path, tone(300, 1, 16000), 16000, subtype=subtype)
    expected = audio.load_audio(path)
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[4:8], content[place + 4 : place + 8] = bytes(4), struct.pack("<I", length)
    path.write_bytes(content)
    assert np.array_equal(audio.load_audio(path), expected)


def test_names_that_are_not_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    soundfile.write(path, tone(300, 1, 16000), 16000)
    assert len(audio.load_audio(os.fsdecode(path))) == 16000
    with pytest.raises(InputError, match=r"caf\\xe9.ogg: no such file"):
        audio.load_audio(os.fsdecode(path.replace(b"wav", b"ogg")))


def test_a_long_file_of_many_channels_takes_little_memory(tmp_path):
    with soundfile.SoundFile(tmp_path / "s.wav", "w", 48000, 64) as file:
        for _ in range(10):
            file.write(np.random.default_rng(0).normal(0, 0.1, (48000, 64)))
    code = """if True:
        import sys; sys.path.insert(0, sys.argv[2])
        import bounded, scipy.signal, soundfile
        from audio2shape_core.audio import load_audio
        with bounded.bounded(megabytes=60, seconds=5):
            print(len(load_audio(sys.argv[1])))
    """
    run = [sys.executable, "-c", code, tmp_path / "s.wav", os.path.dirname(__file__)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stdout == "160000\n", done.stderr


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64"]),
    changes=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6),
    keep=st.floats(0.01, 1),
)
def test_damaged_files_are_decoded_or_refused(tmp_path, kind, changes, keep):
    whole = tmp_path / f"whole.{kind}"
    if not whole.exists():
        soundfile.write(whole, tone(300, 0.5, 16000), 16000)
    content = bytearray(whole.read_bytes())
    for place, value in changes:
        content[place] = value
    (tmp_path / "sound").write_bytes(content[: round(keep * len(content))])
    with bounded(megabytes=400, seconds=10):
        try:
            heard = audio.load_audio(tmp_path / "sound")
        except InputError as error:
            in_one_line(error)
        else:
            assert np.isfinite(heard).all()
            assert np.abs(heard).max() <= 1


def in_one_line(error):
    assert "expected" in str(error)
    assert "\n" not in str(error)


def test_resampling_removes_what_would_alias():
    assert audio.rms_dbfs(audio.resample(tone(10_000, 1, 44100), 44100, 16000)) < -40
    assert len(audio.resample(np.zeros(0), 44100, 16000)) == 0


@quick
@given(size=st.integers(1, 60), length=st.integers(1, 50), seed=st.integers(0, 99))
def test_window_matches_brute_force(size, length, seed):
    waveform = np.random.default_rng(seed).normal(size=length).astype(np.float32)
    window = audio.fit_window(waveform, size / 1000, 1000)
    assert window.dtype == np.float32
    if length > size:
        cuts = [waveform[i : i + size] for i in range(length - size + 1)]
        assert np.array_equal(window, max(cuts, key=lambda cut: np.square(cut, dtype=np.float64).sum()))
    else:
        assert np.array_equal(window, [waveform[i % length] for i in range(size)])


def test_window_of_nothing_is_refused():
    for waveform, seconds in ((np.zeros(0), 1.0), (np.ones(5), 0.0)):
        with pytest.raises(InputError, match="more than zero"):
            audio.fit_window(waveform, seconds)


def test_levels_are_about_the_mean():
    assert audio.rms_dbfs(np.array([1.0, -1.0])) == 0
    assert audio.rms_dbfs(np.zeros(10)) == audio.rms_dbfs(np.zeros(0)) == audio.FLOOR_DBFS
    assert audio.rms_dbfs(np.ones(10)) == audio.FLOOR_DBFS
    assert audio.rms_dbfs(tone(100, 1, 16000, 0.1) + 0.5) == pytest.approx(-23.01, abs=0.01)
    assert audio.rms_dbfs(tone(100, 1, 16000, 1.0)) == pytest.approx(-3.01, abs=0.01)


@settings(deadline=None)
@given(capacity=st.integers(1, 20), chunks=st.lists(st.integers(0, 50), max_size=12), ask=st.integers(0, 30))
def test_ring_matches_a_list(capacity, chunks, ask):
    ring, twin, clock = audio.AudioRing(capacity / 100, sample_rate=100), [], 50.0
    for size in chunks:
        samples = np.arange(len(twin), len(twin) + size, dtype=np.float32)
        clock += size / 100
        assert ring.append(samples, clock) == pytest.approx(0, abs=1e-9)
        twin.extend(samples)
    window = ring.last(ask / 100)
    size = min(ask, capacity, len(twin))
    assert len(ring) == min(capacity, len(twin))
    assert window.samples.tolist() == twin[len(twin) - size :]
    if twin:
        assert window.end == clock
        assert window.start == pytest.approx(clock - size / 100)


def test_ring_reports_lost_audio_and_forgets_on_request():
    ring = audio.AudioRing(1.0, sample_rate=100)
    assert ring.append(np.ones(10), 5.0) == 0
    assert ring.append(np.ones(10), 5.5) == pytest.approx(0.4)
    assert ring.append(np.ones(20), 5.6) == pytest.approx(-0.1)
    ring.clear()
    assert len(ring) == 0
    assert len(ring.last(1.0).samples) == 0
    assert ring.append(np.ones(10), 99.0) == 0  # nothing before it to be missing from


def test_ring_is_never_read_half_written():
    ring = audio.AudioRing(0.5, sample_rate=1000)
    ring.append(np.zeros(500), 0.0)

    def writer():
        for value in range(1, 400):
            ring.append(np.full(500, value), value)

    thread = threading.Thread(target=writer)
    thread.start()
    while thread.is_alive():
        samples, _, end = ring.last(0.5)
        assert (samples == end).all()
    thread.join()


def noisy_room(seconds, events, level=0.002, seed=0):
    """Hiss with bursts [(start s, length s, amplitude)]."""
    rng = np.random.default_rng(seed)
    waveform = rng.normal(0, level, round(seconds * 16000))
    for start, length, amplitude in events:
        begin, size = round(start * 16000), round(length * 16000)
        waveform[begin : begin + size] += rng.normal(0, amplitude, size)
    return waveform.astype(np.float32)


@pytest.mark.parametrize("level", [1e-5, 0.002, 0.01])
def test_onsets_at_their_times_whatever_the_room(level):
    starts = [2.0, 4.5, 9.0]
    waveform = noisy_room(12, [(s, 0.6, 0.1) for s in starts], level)
    found = np.array(audio.OnsetDetector().process(waveform)) / 16000
    assert np.allclose(found, starts, atol=0.02)


def test_one_wavering_sound_is_one_onset():
    waveform = noisy_room(6, [(2.0, 3.0, 0.1)])
    waveform[32000:80000] *= 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(48000) / 16000)
    assert len(audio.OnsetDetector().process(waveform)) == 1


def test_quiet_sounds_and_steady_hum_do_not_fire():
    assert audio.OnsetDetector().process(noisy_room(6, [(3.0, 1.0, 0.002)], level=1e-5)) == []
    detector = audio.OnsetDetector()
    found = detector.process(noisy_room(60, [(2.0, 58.0, 0.05), (50.0, 0.5, 0.5)]))
    assert np.allclose(np.array(found) / 16000, [2.0, 50.0], atol=0.02)  # the motor joined the room, the bang is new


@quick
@given(chunks=st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_onsets_do_not_depend_on_chunking(chunks):
    waveform = noisy_room(3, [(0.7, 0.3, 0.1), (2.0, 0.3, 0.1)])
    detector, found = audio.OnsetDetector(), []
    for piece in np.split(waveform, np.minimum(np.cumsum(chunks), len(waveform))):
        found += detector.process(piece)
    assert found == audio.OnsetDetector().process(waveform)
    assert len(found) == 2


def test_three_glances_cover_the_loudest_stretch():
    waveform = np.zeros(20 * 16_000, np.float32)
    waveform[5 * 16_000 : 11 * 16_000] = np.linspace(0.1, 0.5, 6 * 16_000)
    looks = audio.glances(waveform, 4.0)
    assert looks.shape == (3, 64_000)
    assert looks[0][0] == pytest.approx(0.1)
    assert looks[2][-1] == pytest.approx(0.5)
    assert np.array_equal(looks[0][16_000:], looks[1][:-16_000])
    assert np.array_equal(looks[1][16_000:], looks[2][:-16_000])
    assert audio.glances(waveform[:100], 1.0).shape == (3, 16_000)
