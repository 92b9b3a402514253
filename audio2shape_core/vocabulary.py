"""The vocabulary: the classes that a model can name and their usual sizes. It is data, kept inside each checkpoint.

As a JSON file, which `audio2shape train --vocabulary FILE` reads, it looks like this; all but `names` may be left out:

{"names": {"dog": 0.9, "bell": 0.25}, "outside": ["rain"], "held_out": ["siren"], "zero_shot": ["banjo"]}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audio2shape_core.errors import InputError

LARGEST_FILE = 1_000_000  # bytes
SIZES_M = (1e-3, 1e4)  # metres: smallest and largest size of a class
LISTS = ("outside", "held_out", "zero_shot")


@dataclass(frozen=True)
class Vocabulary:
    """Which classes a model knows, and which it was shown or denied beside them.

    names: classes with a sound and a shape, in the order of the model's scores.
    sizes_m: the usual longest extent of each in metres. A single view cannot tell scale, so a usual size stands in.
    outside: sounds shown in training as "something else".
    held_out: sounds never shown in training; with them evaluation measures whether an unknown sound is recognised.
    zero_shot: classes never shown in training, neither as sound nor as shape (paper, Table I, last row).

    Raises InputError for no name, a name given twice or unprintable, or a size outside `SIZES_M`.
    """

    names: tuple[str, ...]
    sizes_m: tuple[float, ...]
    outside: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    zero_shot: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.sizes_m):
            raise InputError(f"vocabulary: {len(self.names)} names and {len(self.sizes_m)} sizes; expected one a name")
        every = (*self.names, *self.outside, *self.held_out, *self.zero_shot)
        for name in every:
            if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not 0 < len(name) <= 64:
                raise InputError(f"vocabulary: {str(name)[:80]!r} is no name; expected 1 to 64 printable characters")
        twice = sorted(name for name, count in Counter(every).items() if count > 1)
        if twice:
            raise InputError(f"vocabulary: {', '.join(twice)} given twice; list every class once")
        for name, size in zip(self.names, self.sizes_m):
            if type(size) not in (int, float) or not SIZES_M[0] <= size <= SIZES_M[1]:
                raise InputError(
                    f"vocabulary: the size of {name!r} is {str(size)[:80]!r}; expected its longest extent in metres, "
                    f"{SIZES_M[0]} to {SIZES_M[1]:.0f}"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class that training shows: the names, then the sounds from outside."""
        return self.names + self.outside

    def size_m(self, label: str) -> float:
        """The usual longest extent of a class in metres. Raises InputError for a name that is not in the vocabulary."""
        if label not in self.names:
            raise InputError(f"{label!r} is not in the vocabulary; expected one of {', '.join(self.names)}")
        return float(self.sizes_m[self.names.index(label)])

    def only(self, labels: Collection[str]) -> Vocabulary:
        """The part of the vocabulary that is among `labels`. Raises InputError where that leaves no name."""
        kept = {name: size for name, size in zip(self.names, self.sizes_m) if name in labels}
        if not kept:
            raise InputError(
                f"no class of the vocabulary ({', '.join(self.names)}) is in the data; expected at least one: "
                "name your own classes with --vocabulary FILE"
            )
        others = {name: tuple(label for label in getattr(self, name) if label in labels) for name in LISTS}
        return Vocabulary(tuple(kept), tuple(kept.values()), **others)

    def to_dict(self) -> dict[str, dict[str, float] | list[str]]:
        """The vocabulary as plain data, as the JSON file and the checkpoints hold it."""
        return {"names": dict(zip(self.names, self.sizes_m)), **{name: list(getattr(self, name)) for name in LISTS}}

    @classmethod
    def from_dict(cls, stored: object) -> Vocabulary:
        """The inverse of `to_dict`. Raises InputError for data of another form."""
        if not isinstance(stored, dict) or not isinstance(stored.get("names"), dict):
            raise InputError('vocabulary: expected {"names": {name: size in metres, ...}, ...}')
        if unknown := sorted(set(stored) - {"names", *LISTS}):
            raise InputError(f"vocabulary: unknown key {unknown[0][:80]!r}; expected names, {', '.join(LISTS)}")
        lists = {name: stored.get(name, []) for name in LISTS}
        for name, labels in lists.items():
            if not isinstance(labels, list):
                raise InputError(f"vocabulary: {name} is not a list; expected a list of names")
        names, sizes_m = tuple(stored["names"]), tuple(stored["names"].values())
        return cls(names, sizes_m, **{name: tuple(labels) for name, labels in lists.items()})

    @classmethod
    def read(cls, path: str | Path) -> Vocabulary:
        """Read a JSON file. Raises InputError where it is missing, too large or of another form."""
        try:
            with Path(path).open("rb") as file:
                text = file.read(LARGEST_FILE + 1)
            if len(text) > LARGEST_FILE:
                raise InputError(f"larger than {LARGEST_FILE} bytes; expected a vocabulary, which is far smaller")
            return cls.from_dict(json.loads(text.decode(), object_pairs_hook=_without_repeats))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InputError(f"cannot read the vocabulary {path} ({reason}); expected a JSON file") from error

    @classmethod
    @cache
    def default(cls) -> Vocabulary:
        """The vocabulary of the weights that ship."""
        return cls.read(Path(__file__).parent / "assets" / "vocabulary.json")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object whose keys differ; plain parsing would keep the last of equal ones and lose the others."""
    result = dict(pairs)
    if len(result) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InputError(f"vocabulary: {key[:80]!r} given twice; list every class once")
    return result
