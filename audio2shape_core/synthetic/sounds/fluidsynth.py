"""Play phrases on General MIDI instruments with the FluidSynth program and the FluidR3 sound font (MIT licence).

Debian and Ubuntu: `apt install fluidsynth fluid-soundfont-gm`.
"""

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE, resample
from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.sounds.phrases import Note, phrase

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
# Samples of the sound font reach 20 kHz and its playback does not filter: rendering at 16 kHz would alias.
RENDER_RATE = 44_100

# label: (General MIDI programs counted from 0, lowest pitch, highest pitch, several notes at once?)
PROGRAMS = {
    "harp": ((46,), 30, 100, True),
    "guitar": ((24, 25, 25, 26, 27, 29, 30), 40, 83, True),
    "piano": ((0, 0, 1, 2, 3), 21, 108, True),
    "violin": ((40,), 55, 100, False),
    "saxophone": ((64, 65, 66, 67), 42, 84, False),
    "flute": ((73,), 60, 96, False),
    "trombone": ((57,), 40, 72, False),
    "bell": ((9, 14, 14, 112), 55, 96, True),
    "banjo": ((105,), 48, 86, True),
    "cello": ((42,), 36, 76, False),
    "double_bass": ((43, 32), 28, 55, False),
    "french_horn": ((60,), 41, 77, False),
    "clarinet": ((71,), 50, 91, False),
}
DRUM_CHANNEL = 9
# Keys of the drum channel: kicks, snares, toms, hi-hats, cymbals, bongos, congas, timbales.
DRUM_KEYS = (35, 36, 38, 40, 41, 43, 45, 47, 48, 50, 42, 44, 46, 49, 51, 57, 60, 61, 62, 63, 64, 65, 66)
DRUM_KITS = (0, 8, 16, 32, 40, 48)


def fluidsynth_available() -> bool:
    """Whether the program and the sound font are installed."""
    return shutil.which("fluidsynth") is not None and SOUND_FONT.is_file()


def fluidsynth_labels() -> tuple[str, ...]:
    """The labels that `play_fluidsynth` knows."""
    return (*PROGRAMS, "drum")


def play_fluidsynth(label: str, seed: int, seconds: float = 4.0) -> np.ndarray:
    """A random phrase on the label's instrument: random register, loudness, style; reverb in half the clips.

    Returns (round(seconds * 16000),) float32 in [-1, 1]. The same seed gives the same clip.
    Raises InputError for a label without an instrument, or when FluidSynth is not installed.
    """
    if label not in fluidsynth_labels():
        raise InputError(f"no General MIDI instrument for {label!r}, expected one of {', '.join(fluidsynth_labels())}")
    rng = np.random.default_rng((seed, *label.encode()))
    if label == "drum":
        pattern = _drum_pattern(rng, seconds)
        return render(pattern, int(rng.choice(DRUM_KITS)), seconds, rng.random() < 0.5, DRUM_CHANNEL)
    programs, low, high, many_voices = PROGRAMS[label]
    notes = phrase(rng, seconds, low, high, many_voices=many_voices)
    return render(notes, int(rng.choice(programs)), seconds, rng.random() < 0.5)


def render(notes: list[Note], program: int, seconds: float, reverb: bool = False, channel: int = 0) -> np.ndarray:
    """Notes -> (round(seconds * 16000),) float32, peak at most 1."""
    if not fluidsynth_available():
        raise InputError("FluidSynth or its sound font is missing: apt install fluidsynth fluid-soundfont-gm")
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "score.mid"), Path(folder, "sound.wav")
        score.write_bytes(midi_file(notes, program, seconds, channel))
        settings = ("-o", "synth.dynamic-sample-loading=1", "-C", "0", "-R", str(int(reverb)), "-g", "0.5")
        target = ("-r", str(RENDER_RATE), "-T", "wav", "-O", "float", "-F", str(sound))
        command = ["fluidsynth", "-q", "-n", "-i", *settings, *target, str(SOUND_FONT), str(score)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        stereo, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    size = round(seconds * SAMPLE_RATE)
    waveform = resample(stereo.mean(axis=1), RENDER_RATE, SAMPLE_RATE)[:size]
    waveform = np.pad(waveform, (0, size - len(waveform)))
    return waveform / max(1.0, np.abs(waveform).max())


def midi_file(notes: list[Note], program: int, seconds: float, channel: int = 0) -> bytes:
    """A standard MIDI file of one track in which a tick is a millisecond, silent from the last note to `seconds`."""
    events = [(0, bytes((0xC0 | channel, program)))]
    for note in notes:
        events.append((round(1000 * note.start), bytes((0x90 | channel, note.pitch, note.velocity))))
        events.append((round(1000 * (note.start + note.length)), bytes((0x80 | channel, note.pitch, 0))))
    events.sort(key=lambda event: (event[0], event[1][0] & 0xF0 != 0x80))  # end a note before striking it again
    events.append((max(round(1000 * seconds), events[-1][0]), b"\xff\x2f\x00"))  # end of track
    track, now = b"", 0
    for tick, message in events:
        track += _variable_length(tick - now) + message
        now = tick
    # Format 0, one track, 500 ticks a quarter note; at the default 120 quarter notes a minute a tick is 1 ms.
    return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, 500, b"MTrk", len(track)) + track


def _variable_length(number: int) -> bytes:
    """MIDI's coding of whole numbers: 7 bits a byte, the highest bit says that more follow."""
    coded = bytes((number & 0x7F,))
    while number := number >> 7:
        coded = bytes((number & 0x7F | 0x80,)) + coded
    return coded


def _drum_pattern(rng: np.random.Generator, seconds: float) -> list[Note]:
    """One to four drums of a kit, each with its own rhythm on a common beat."""
    beat, notes = rng.uniform(0.1, 0.3), []
    for key in rng.choice(DRUM_KEYS, rng.integers(1, 5), replace=False):
        density, velocity = rng.uniform(0.2, 0.8), rng.integers(50, 120)
        rhythm = rng.random(8) < density
        rhythm[rng.integers(8)] = True
        for step in range(int((seconds - 0.1) / beat)):
            if rhythm[step % 8]:
                loudness = int(np.clip(velocity + rng.normal(0, 10), 20, 127))
                notes.append(Note(step * beat, 0.2, int(key), loudness))
    return notes
