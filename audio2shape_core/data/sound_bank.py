"""Recordings in memory, by class, and the augmentation that training shows them through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audio2shape_core.audio import SAMPLE_RATE, load_audio
from audio2shape_core.data.completion import Completion
from audio2shape_core.data.manifest import Item, read_manifest
from audio2shape_core.data.rows import Fields, Row, Rows, RowsByClass, file_states, fingerprint
from audio2shape_core.errors import InputError
from audio2shape_core.presets import MadeItems
from audio2shape_core.synthetic.sounds import synthesize
from audio2shape_core.synthetic.sounds.effects import add_noise, change_speed, limit_band, random_cut, reverberate
from audio2shape_core.vocabulary import Vocabulary


class SoundBank:
    """Waveforms of many recordings, kept as int16 (half the memory, no audible loss), drawn by class.

    `weights` (M,) say how likely a clip is within its class. Clips cut from one recording resemble each other, so a
    recording of n clips counts as sqrt(n) of them: sixty notes of one guitar must not drown twenty other guitars.
    `groups` (M,) names those recordings; a clip without a group is one of its own. In place of a waveform there may be
    a table and the index of its row, whose `waveform` is then made at its first use.
    """

    def __init__(
        self,
        waveforms: Sequence[np.ndarray | tuple[Rows, int]],
        labels: Sequence[str],
        groups: list[str] | None = None,
        made_of: str = "",
    ) -> None:
        self.waveforms = [w if isinstance(w, tuple) else to_int16(w) for w in waveforms]
        self.labels = np.array(labels, str)
        self.groups = groups or [f"clip {i}" for i in range(len(labels))]
        sizes = Counter(self.groups)
        self.weights = np.array([sizes[g] ** -0.5 for g in self.groups])
        self.made_of = made_of
        self._index()

    def _index(self) -> None:
        self.by_label = {label: np.flatnonzero(self.labels == label) for label in sorted(set(self.labels))}
        self.odds = {label: self.weights[i] / self.weights[i].sum() for label, i in self.by_label.items()}

    @classmethod
    def read(cls, items: list[Item]) -> SoundBank:
        """Decode recordings; silent or damaged ones are left out, since a data set of thousands has a few."""
        waveforms, labels, groups = [], [], []
        for item in items:
            try:
                waveforms.append(load_audio(item.path, sample_rate=SAMPLE_RATE))
            except InputError:
                continue
            labels.append(item.label)
            groups.append(f"{item.label}/{item.group}")
        return cls(waveforms, labels, groups, fingerprint(items, file_states(item.path for item in items)))

    def completed_with(self, other: SoundBank, share: float) -> SoundBank:
        """This bank and another; where both have a class, the other's clips are drawn at `share` of its draws."""
        weights = other.weights.copy()
        for label in set(self.by_label) & set(other.by_label):
            theirs = other.by_label[label]
            ours = self.weights[self.by_label[label]].sum()
            weights[theirs] *= share / (1 - share) * ours / weights[theirs].sum()
        joined = SoundBank([], [], made_of=fingerprint(self.made_of, other.made_of, len(other.labels)))
        joined.waveforms = self.waveforms + other.waveforms
        joined.labels = np.concatenate([self.labels, other.labels])
        joined.groups = self.groups + [f"other {group}" for group in other.groups]
        joined.weights = np.concatenate([self.weights, weights])
        joined._index()
        return joined

    def waveform(self, index: int) -> np.ndarray:
        """One recording: (S,) float32 in [-1, 1]."""
        stored = self.waveforms[index]
        if isinstance(stored, tuple):
            table, row = stored
            stored = table.take([row])["waveform"][0]
        return stored.astype(np.float32) / 32768

    def draw(self, label: str, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """A random recording of a class, cut and augmented: (S,) float32."""
        index = rng.choice(self.by_label[label], p=self.odds[label])
        return augment(self.waveform(index), int(seconds * SAMPLE_RATE), rng)


def to_int16(waveform: np.ndarray) -> np.ndarray:
    return np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16)


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


def training_sounds(
    data: Path, vocabulary: Vocabulary, completion: Completion, made: MadeItems, *, folder: Path | None
) -> SoundBank:
    """Training recordings of every class of the vocabulary; its names are completed with made sounds.

    folder: where made sounds are kept. Raises InputError for a name without any sound.
    """
    bank = SoundBank.read([i for i in read_manifest(data, "audio", "train") if i.label in vocabulary.classes])
    counts = {}
    for label in vocabulary.names:
        recordings = len(bank.by_label.get(label, ()))
        wanted = made.decoys if recordings else made.sounds
        counts[label] = completion.sounds(label, wanted, recordings=recordings)

    def make(label: str, seeds: list[int]) -> Iterator[Row]:
        for seed in seeds:
            yield {"waveform": to_int16(synthesize(label, seed, made.seconds))}

    fields: Fields = [("waveform", np.int16, (round(made.seconds * SAMPLE_RATE),))]
    tables = RowsByClass.of(counts, fields, make, folder=folder, name="made sounds").tables
    rows = [(label, (tables[label], index)) for label, count in counts.items() for index in range(count)]
    others = SoundBank([row for _, row in rows], [label for label, _ in rows])
    return bank.completed_with(others, made.decoy_share)
