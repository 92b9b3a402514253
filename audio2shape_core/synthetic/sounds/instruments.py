"""Physical and additive models of musical instruments.

Plucked strings: Karplus and Strong, "Digital synthesis of plucked-string and drum timbres" (1983), with the tuning of
Jaffe and Smith, "Extensions of the Karplus-Strong plucked-string algorithm" (1983).
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.synthetic.sounds import signals as s
from audio2shape_core.synthetic.sounds.phrases import frequency, phrase
from audio2shape_core.synthetic.sounds.signals import Rng

# A voice makes one tone: (frequency Hz, seconds, loudness 0..1, rng) -> waveform, which may ring beyond `seconds`.
Voice = Callable[[float, float, float, Rng], np.ndarray]


def pluck(
    f: float, seconds: float, *, decay: float, brightness: float, position: float, softness: float, rng: Rng
) -> np.ndarray:
    """A plucked string by the Karplus-Strong loop, tuned to a cent or so.

    Arguments:
        f: fundamental, Hz. decay: seconds in which it falls by 60 dB.
        brightness: 0..1, how slowly the high partials decay.
        position: 0..0.5 of the string's length, where it is plucked: partials with a node there are missing.
        softness: 0..1, from a fingernail to the flesh of a finger: double pole of the lowpass on the pluck.
    """
    period = SAMPLE_RATE / f
    damping = 0.5 * (1 - brightness) * min(1.0, 300 / f) ** 1.5  # a short string passes the loop more often
    smooth = [damping / 2, 1 - damping, damping / 2]  # linear phase: delays every partial by one sample
    whole = int(period - 2)
    loop = np.convolve(smooth, _fractional_delay(period - 1 - whole))
    # Let the fundamental decay as asked, but keep the loop's gain below 1 at 0 Hz too, or it would run away.
    gain = np.abs(np.exp(-2j * np.pi * f / SAMPLE_RATE * np.arange(len(loop))) @ loop)
    loop *= min(10.0 ** (-3 / (decay * f)) / gain, 0.99999)
    burst = np.zeros(s.num_samples(seconds))
    length = min(len(burst), round(period))
    burst[:length] = lfilter([(1 - softness) ** 2], [1, -2 * softness, softness**2], rng.uniform(-1, 1, length))
    burst[:length] -= burst[:length].mean()
    comb = round(position * period)
    if 0 < comb < len(burst):
        burst[comb:] -= 0.9 * burst[:-comb].copy()
    feedback = np.concatenate([[1.0], np.zeros(whole - 1), -loop])
    return lfilter([1.0], feedback, burst)


def _fractional_delay(delay: float) -> np.ndarray:
    """Third-order Lagrange interpolator: (4,) filter that delays by 1 <= `delay` <= 2 samples."""
    taps = np.arange(4)
    return np.array([np.prod([(delay - j) / (k - j) for j in taps if j != k]) for k in taps])


def harp_voice(rng: Rng) -> Voice:
    """Soft plucks near the middle of long strings, over a soundboard whose resonances differ from harp to harp.

    Ring times and the spectrum of the attack follow measurements of two recorded harps, a concert and a Celtic one: a
    string falls by 60 dB in about 4 s at 220 Hz and 1 s at 1500 Hz, and even low strings sound little above 1 kHz.
    """
    position, brightness = rng.uniform(0.2, 0.5), rng.uniform(0.6, 0.97)
    board = [(rng.uniform(110, 240), 60, 0.6), (rng.uniform(250, 450), 120, 0.5), (rng.uniform(600, 1500), 500, 0.4)]
    sustain, finger = rng.uniform(2.0, 6.0), rng.uniform(300, 1800)  # s at 220 Hz; Hz above which a finger is too soft

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        decay = sustain * (220 / f) ** 0.7
        ring = min(seconds + 0.15, decay)
        softness = np.exp(-2 * np.pi * (finger * (0.5 + loudness) + 0.7 * f) / SAMPLE_RATE)
        tone = pluck(f, ring, decay=decay, brightness=brightness, position=position, softness=softness, rng=rng)
        return (tone + s.formants(tone, *board)) * s.swell(ring, 0.001, 0.12)

    return voice


def guitar_voice(rng: Rng) -> Voice:
    """Plucks near the bridge, brighter and shorter than a harp's; a body with an air and a plate resonance."""
    position, brightness = rng.uniform(0.06, 0.25), rng.uniform(0.5, 0.95)
    body = [(rng.uniform(90, 120), 20, 2.0), (rng.uniform(180, 230), 30, 1.5), (rng.uniform(350, 500), 80, 0.8)]

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        ring = seconds + 0.2
        decay, softness = 3 * (150 / f) ** 0.6, 0.5 - 0.4 * loudness
        tone = pluck(f, ring, decay=decay, brightness=brightness, position=position, softness=softness, rng=rng)
        return (0.4 * tone + s.formants(tone, *body)) * s.swell(ring, 0.001, 0.1)

    return voice


def piano_voice(rng: Rng) -> Voice:
    """Stiff strings (partials stretched by their stiffness) struck by a felt hammer."""
    hammer, stiffness, detune = rng.uniform(0.08, 0.15), 10 ** rng.uniform(-4, -3.2), rng.uniform(0.0002, 0.001)

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        k = np.arange(1, 1 + min(40, int(s.NYQUIST / f)))
        partials = k * f * np.sqrt(1 + stiffness * k**2)
        strength = np.abs(np.sin(np.pi * k * hammer)) / k * np.exp(-k * f / (800 + 4000 * loudness))
        decay = 9 * (110 / f) ** 0.6 / (1 + 0.08 * k)
        ring = seconds + 0.25
        pair = [s.modes(ring, partials * (1 + off), decay, strength) for off in (-detune, detune)]
        thump = 0.05 * s.noise(rng, ring, 0, 300) * np.exp(-s.times(ring) / 0.03)
        return (pair[0] + pair[1] + thump) * s.swell(ring, 0.002, 0.2)

    return voice


def _vibrato(f: float, seconds: float, depth: float, rate: float, rng: Rng) -> np.ndarray:
    """(S,) Hz: a pitch that settles from slightly below, then swings; `depth` is a fraction of it."""
    t = s.times(seconds)
    swing = depth * np.clip(t / 0.4 - 0.3, 0, 1) * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6))
    return f * (1 + swing - rng.uniform(0, 0.02) * np.exp(-t / 0.03) + 0.001 * s.drift(rng, seconds, 8))


def violin_voice(rng: Rng) -> Voice:
    """A bowed string (all harmonics, falling as 1/k) with vibrato, bow noise and a resonant body."""
    depth, rate, hair = rng.uniform(0.002, 0.012), rng.uniform(4.5, 6.5), rng.uniform(0.01, 0.05)
    body = [(rng.uniform(270, 290), 40, 0.8), (rng.uniform(440, 560), 60, 1.0), (rng.uniform(1000, 1300), 300, 0.8)]
    body.append((rng.uniform(2200, 3000), 900, 0.9))

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        k = np.arange(1, 31)
        string = s.harmonics(_vibrato(f, seconds, depth, rate, rng), k ** -(1.3 - 0.4 * loudness), rng)
        bowed = string + hair * s.noise(rng, seconds, 1500)
        return (0.2 * bowed + s.formants(bowed, *body)) * s.swell(seconds, rng.uniform(0.03, 0.15), 0.08)

    return voice


def _blown(seconds: float, f: np.ndarray, tilt: np.ndarray, odd: float, rng: Rng) -> np.ndarray:
    """Harmonics whose k-th has level k ** -tilt, with `tilt` (S,) moving in time; even ones are weakened by `odd`."""
    k = np.arange(1, 41)[:, None]
    return s.harmonics(f, k ** -tilt[None] * np.where(k % 2 == 0, 1 - odd, 1), rng)


def saxophone_voice(rng: Rng) -> Voice:
    """A reed on a conical bore: rich harmonics that brighten with loudness, a formant near 1 kHz, some breath."""
    depth, rate = rng.uniform(0, 0.01), rng.uniform(4, 6)
    breath, centre = rng.uniform(0.01, 0.06), rng.uniform(700, 1400)

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        shape = s.swell(seconds, rng.uniform(0.02, 0.06), 0.06)
        reed = _blown(seconds, _vibrato(f, seconds, depth, rate, rng), 1.9 - 0.9 * loudness * shape, 0.1, rng)
        reed = (reed + breath * s.noise(rng, seconds, 800, 5000)) * shape
        return 0.4 * reed + s.formants(reed, (centre, 500, 1.0), (centre * 2.2, 900, 0.5))

    return voice


def trombone_voice(rng: Rng) -> Voice:
    """Lips on a brass tube: the spectrum opens as the tone swells; the slide may glide into a note."""
    slide, brass = rng.choice([0.0, 0.06, 0.12]), rng.uniform(0.8, 1.6)

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        shape = s.swell(seconds, rng.uniform(0.04, 0.1), 0.08)
        glide = 1 - slide * rng.random() * np.exp(-s.times(seconds) / 0.08)
        pitch, tilt = glide * _vibrato(f, seconds, 0.003, 5, rng), 2.6 - brass * shape * (0.4 + loudness)
        tone = _blown(seconds, pitch, tilt, 0, rng)
        return (tone + s.formants(tone, (500, 300, 1.0))) * shape

    return voice


def flute_voice(rng: Rng) -> Voice:
    """A few harmonics over a breath that hisses around them."""
    depth, rate, breath = rng.uniform(0, 0.008), rng.uniform(4.5, 6), rng.uniform(0.03, 0.25)
    levels = np.array([1, rng.uniform(0.1, 0.6), rng.uniform(0.05, 0.3), 0.08, 0.04, 0.02])

    def voice(f: float, seconds: float, loudness: float, rng: Rng) -> np.ndarray:
        shape = s.swell(seconds, rng.uniform(0.03, 0.1), 0.06)
        tremble = 1 + 20 * depth * np.sin(2 * np.pi * rate * s.times(seconds))
        tone = s.harmonics(_vibrato(f, seconds, depth, rate, rng), levels ** (1.4 - 0.6 * loudness), rng)
        air = breath * s.noise(rng, seconds, 0.7 * f, 3 * f) * (1 + 3 * np.exp(-s.times(seconds) / 0.03))
        return (tone * tremble + air) * shape

    return voice


# label: (voice, lowest pitch, highest pitch, several notes at once?)
VOICES: dict[str, tuple[Callable[[Rng], Voice], int, int, bool]] = {
    "harp": (harp_voice, 30, 100, True),
    "guitar": (guitar_voice, 40, 83, True),
    "piano": (piano_voice, 24, 100, True),
    "violin": (violin_voice, 55, 95, False),
    "saxophone": (saxophone_voice, 44, 84, False),
    "trombone": (trombone_voice, 40, 70, False),
    "flute": (flute_voice, 60, 93, False),
}


def play(label: str, total: np.ndarray, rng: Rng, seconds: float) -> None:
    """Add a random phrase on one of VOICES to `total` (S,)."""
    build, low, high, many_voices = VOICES[label]
    voice = build(rng)
    for note in phrase(rng, seconds, low, high, many_voices=many_voices):
        loudness = note.velocity / 127
        tone = voice(frequency(note.pitch), note.length, loudness, rng)
        s.place(total, tone * loudness**1.5 / (np.abs(tone).max() + 1e-9), note.start)
