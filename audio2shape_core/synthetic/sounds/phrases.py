"""What is played: short phrases of notes, the same for the sound font and for the physical models."""

from typing import NamedTuple

import numpy as np

from audio2shape_core.synthetic.sounds.signals import Rng

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 4, 6, 8, 10))
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 4, 7, 10), (0, 5, 7), (0, 4, 7, 14), (0, 3, 6, 9))

Events = list[tuple[float, int]]  # (start s, pitch) in order of time


class Note(NamedTuple):
    """One tone: when it begins and how long it is held (s), its MIDI pitch (69 = 440 Hz) and its velocity 1..127."""

    start: float
    length: float
    pitch: int
    velocity: int


def frequency(pitch: float) -> float:
    """MIDI pitch -> Hz, equal temperament."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def phrase(rng: Rng, seconds: float, low: int, high: int, *, many_voices: bool) -> list[Note]:
    """A random phrase within `seconds` and the MIDI pitches `low`..`high`.

    `many_voices`: the instrument can sound several notes at once (harp, piano), which adds chords, arpeggios whose
    tones ring on, and glissandi; otherwise each note ends before the next begins.
    """
    styles = [lone_note] * 3 + [single_tones, melody] + [arpeggio, arpeggio, chords, glissando] * many_voices
    style = styles[rng.integers(len(styles))]
    # A phrase keeps to a part of the range, as a player's hand does; between them phrases cover all of it.
    span = int(rng.integers(7, 37))
    bottom = int(rng.integers(low, max(low + 1, high - span)))
    # A very short clip may leave no room for the style, but for one note.
    events = style(rng, seconds, bottom, min(high, bottom + span)) or [(0.0, bottom)]
    ring = rng.uniform(0.3, 3.0) if many_voices and style is not lone_note else None
    touch, base = rng.uniform(0.5, 1.0), rng.integers(35, 115)
    ends = [start for start, _ in events[1:]] + [seconds]
    notes = []
    for (start, pitch), end in zip(events, ends):
        length = max(0.05, min(ring or touch * (end - start), seconds - start))
        notes.append(Note(start, length, pitch, velocity=int(np.clip(base + rng.normal(0, 9), 15, 127))))
    return notes


def scale_pitches(rng: Rng, low: int, high: int) -> list[int]:
    """The pitches of a random scale on a random root, from `low` to `high`."""
    scale, root = SCALES[rng.integers(len(SCALES))], rng.integers(12)
    return [p for p in range(low, high + 1) if (p - root) % 12 in scale] or [low]


def lone_note(rng: Rng, seconds: float, low: int, high: int) -> Events:
    """One note, held or left to ring: what recorded instruments often are."""
    return [(rng.uniform(0, 0.05 * seconds), int(rng.integers(low, high + 1)))]


def single_tones(rng: Rng, seconds: float, low: int, high: int) -> Events:
    """Unhurried tones, now and then repeated."""
    gap, pitches = rng.uniform(0.5, 2.5), scale_pitches(rng, low, high)
    events: Events = []
    start = rng.uniform(0, 0.2)
    while start < seconds - 0.2:
        repeat = events and rng.random() < 0.3
        events.append((start, events[-1][1] if repeat else int(rng.choice(pitches))))
        start += gap * rng.uniform(0.7, 1.3)
    return events


def melody(rng: Rng, seconds: float, low: int, high: int) -> Events:
    """A random walk on a scale in simple rhythms."""
    pitches, beat, events = scale_pitches(rng, low, high), rng.uniform(0.25, 0.7), []
    where, start = int(rng.integers(len(pitches))), rng.uniform(0, 0.2)
    while start < seconds - 0.1:
        events.append((start, pitches[where]))
        where = int(np.clip(where + rng.integers(-3, 4), 0, len(pitches) - 1))
        start += beat * rng.choice([0.5, 0.5, 1.0, 1.0, 1.5, 2.0])
    return events


def arpeggio(rng: Rng, seconds: float, low: int, high: int) -> Events:
    """Broken chords, up, down, or up and down, changing every few beats."""
    step, start, events = rng.uniform(0.06, 0.35), rng.uniform(0, 0.2), []
    direction = rng.integers(3)
    while start < seconds - 0.1:
        tones = chord_pitches(rng, low, high)
        run = [tones, tones[::-1], tones + tones[-2:0:-1]][direction]
        for pitch in run * int(rng.integers(1, 3)):
            events.append((start, pitch))
            start += step * rng.uniform(0.92, 1.08)
        start += rng.choice([0.0, step, 4 * step])
    return [event for event in events if event[0] < seconds - 0.1]


def chords(rng: Rng, seconds: float, low: int, high: int) -> Events:
    """Chords struck at once or rolled."""
    gap, roll, start, events = rng.uniform(0.4, 1.8), rng.choice([0.0, 0.015, 0.06]), rng.uniform(0, 0.2), []
    while start < seconds - 0.2:
        tones = chord_pitches(rng, low, high)[: rng.integers(3, 8)]
        events += [(start + roll * i, pitch) for i, pitch in enumerate(tones)]
        start += gap * rng.choice([0.5, 1.0, 1.0])
    return sorted(event for event in events if event[0] < seconds - 0.1)


def glissando(rng: Rng, seconds: float, low: int, high: int) -> Events:
    """Sweeps over the strings of a scale, up and down, with rests between some of them."""
    pitches, start, events = scale_pitches(rng, low, high), rng.uniform(0, 0.2), []
    upwards = rng.random() < 0.6
    while start < seconds - 0.2:
        step = rng.uniform(0.025, 0.08)
        for pitch in pitches if upwards else pitches[::-1]:
            events.append((start, pitch))
            start += step * rng.uniform(0.85, 1.15)
        upwards = not upwards if rng.random() < 0.7 else upwards
        start += rng.choice([0.0, rng.uniform(0.2, 1.0)])
    return [event for event in events if event[0] < seconds - 0.1]


def chord_pitches(rng: Rng, low: int, high: int) -> list[int]:
    """The pitches of a random chord in every octave from `low` to `high`; at least three."""
    chord, root = CHORDS[rng.integers(len(CHORDS))], int(rng.integers(12))
    inside = [p for p in range(low, high + 1) if (p - root) % 12 in {tone % 12 for tone in chord}]
    return inside if len(inside) >= 3 else [low, low + 4, low + 7]
