"""Made sounds of every class: all that a data set without harps has to learn one from, and a stand-in elsewhere.

`synthesize` draws a phrase or a scene, plays it on FluidSynth or on a physical model, and puts it in a random room in
front of a random microphone. Nothing here claims to replace recordings where they exist.
"""

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.errors import InputError
from audio2shape_core.synthetic.sounds import instruments, signals
from audio2shape_core.synthetic.sounds.effects import add_noise, reverberate
from audio2shape_core.synthetic.sounds.fluidsynth import fluidsynth_available, fluidsynth_labels, play_fluidsynth
from audio2shape_core.synthetic.sounds.scenes import SCENES

# With both engines at hand, most clips come from the sound font, which is closer to the instrument; the rest keep a
# class from being the sound of one sound font.
FLUIDSYNTH_SHARE = 0.7
ENGINES = ("auto", "fluidsynth", "physical")


def physical_labels() -> tuple[str, ...]:
    """The labels that `play_physical` knows: all of the vocabulary."""
    return (*instruments.VOICES, *SCENES)


def play_physical(label: str, seed: int, seconds: float = 4.0) -> np.ndarray:
    """The label's physical or additive model, dry: (round(seconds * 16000),) float32 with peak 1.

    The same seed gives the same clip. Raises InputError for a label without a model.
    """
    if label not in physical_labels():
        raise InputError(f"no physical model of {label!r}, expected one of {', '.join(physical_labels())}")
    rng = np.random.default_rng((seed, *label.encode()))
    waveform = np.zeros(signals.num_samples(seconds))
    if label in SCENES:
        SCENES[label](waveform, rng, seconds)
    else:
        instruments.play(label, waveform, rng, seconds)
    return _normalize(waveform)


def synthesize(label: str, seed: int, seconds: float = 4.0, *, engine: str = "auto") -> np.ndarray:
    """One made recording of a class.

    Arguments:
        engine: "fluidsynth" or "physical"; "auto" takes FluidSynth for a share of the clips where it is installed and
            has the instrument, else the physical model.
    Returns (round(seconds * 16000),) float32 mono in [-1, 1] at 16 kHz. The same arguments give the same clip on the
    same machine. Raises InputError for an unknown engine or a label that the engine cannot make.
    """
    if engine not in ENGINES:
        raise InputError(f"sound engine {engine!r}, expected one of {', '.join(ENGINES)}")
    rng = np.random.default_rng((seed, 1, *label.encode()))
    if engine == "auto":
        playable = label in fluidsynth_labels() and fluidsynth_available()
        alone = label not in physical_labels()
        engine = "fluidsynth" if playable and (alone or rng.random() < FLUIDSYNTH_SHARE) else "physical"
    play = play_fluidsynth if engine == "fluidsynth" else play_physical
    return record(play(label, seed, seconds), rng)


def record(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a microphone in a room makes of a dry sound: some echo, a coloured response, some hiss, some level."""
    if rng.random() < 0.5:
        waveform = reverberate(waveform, rng.uniform(0.15, 1.5), rng)
    # The response of microphone and room: gains at six octaves, a straight line between them.
    octaves = np.array([60, 250, 700, 1800, 4000, 8000])
    gains_db = rng.normal(0, 4, len(octaves)) - np.array([0, 0, 0, 0, 0, rng.exponential(8)])
    spectrum = np.fft.rfft(waveform)
    log_frequency = np.log(np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE) + 1)
    spectrum *= 10 ** (np.interp(log_frequency, np.log(octaves), gains_db) / 20)
    waveform = np.fft.irfft(spectrum, len(waveform))
    waveform = add_noise(waveform, rng.uniform(20, 55), rng)
    return _normalize(waveform) * np.float32(10 ** (rng.uniform(-20, -1) / 20))


def _normalize(waveform: np.ndarray) -> np.ndarray:
    """Peak 1, float32."""
    return (waveform / max(1e-9, np.abs(waveform).max())).astype(np.float32)
