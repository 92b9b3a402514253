"""Every setting of a run, once: its default, range, unit and meaning.

The command line, the node's parameters, the limits of action goals and the tables of the documentation are read from
here. A run gets one parcel:

    settings = Settings(sampling=Sampling(seed=3, steps=10))
    model.generate(waveform, settings=settings)

`None` has one meaning everywhere: the value that the checkpoint was trained for, or no limit.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audio2shape_core.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

NONE_GIVEN = "the checkpoint's own"


@dataclass(frozen=True)
class Limits:
    """What is known of a setting besides its name and default. low, high: inclusive; unit: empty for a plain number."""

    low: float
    high: float
    description: str
    unit: str = ""

    @property
    def span(self) -> str:
        """The range in words: `0 to 5000`, `0.1 to 600 s`."""
        return f"{self.low} to {self.high}{' ' * bool(self.unit)}{self.unit}"

    @property
    def whole(self) -> bool:
        """Whether the setting counts something."""
        return isinstance(self.low, int)


def setting(default: Any, low: float, high: float, description: str, unit: str = "") -> Any:
    """A dataclass field that carries its limits. Whole limits mean a whole number."""
    return field(default=default, metadata={"limits": Limits(low, high, description, unit)})


class Checked:
    """A parcel of settings that refuses values out of range when it is built."""

    @classmethod
    def given(cls, **values: Any) -> Self:
        """The parcel in which what is None keeps its default."""
        return cls(**{name: value for name, value in values.items() if value is not None})

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises InputError, in one line, for a value that is not a number or is out of its range."""
        for name, limits in limits_of(type(self)).items():
            if problem := problem_of(name, getattr(self, name), limits, default_of(type(self), name)):
                raise InputError(problem)


def limits_of(parcel: type) -> dict[str, Limits]:
    """The limits of each setting of a parcel, by name."""
    return {f.name: f.metadata["limits"] for f in dataclasses.fields(parcel) if "limits" in f.metadata}


def default_of(parcel: type, name: str) -> Any:
    return next(f.default for f in dataclasses.fields(parcel) if f.name == name)


def problem_of(name: str, value: Any, limits: Limits, default: Any) -> str:
    """Why a value cannot be used, in one line; empty if it can. None is allowed where it is the default."""
    if value is None and default is None:
        return ""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not limits.low <= value <= limits.high:
        return f"{name} {value}: expected {limits.span}"
    if limits.whole and value != int(value):
        return f"{name} {value}: expected a whole number"
    return ""


@dataclass(frozen=True)
class Listening(Checked):
    """How a sound is understood."""

    min_confidence: float = setting(0.3, 0.0, 1.0, "Sounds heard with a lower confidence are called unknown.")


@dataclass(frozen=True)
class Sampling(Checked):
    """How a shape is drawn from the latent diffusion model (paper III-B)."""

    seed: int = setting(0, 0, 2**31 - 1, "The same sound, seed and weights give the same shape.")
    steps: int | None = setting(None, 1, 1000, f"Denoising steps (default: {NONE_GIVEN}).")
    guidance: float | None = setting(
        None, 0.0, 20.0, f"Classifier-free guidance scale; 1 is none (default: {NONE_GIVEN})."
    )
    guided_share: float | None = setting(
        None, 0.0, 1.0, f"Share of the noise levels, from the cleanest up, that are guided (default: {NONE_GIVEN})."
    )
    num_points: int = setting(2048, 256, 262_144, "Points of the coarse cloud.")


@dataclass(frozen=True)
class Refining(Checked):
    """How a shape is fitted to an image by 3D Gaussian splatting (paper III-C)."""

    iterations: int = setting(200, 0, 5000, "Optimisation steps of 3D Gaussian splatting; 0 leaves the image unused.")
    time_budget_s: float | None = setting(
        None, 0.1, 600.0, "Refinement, the search of the pose included, stops after this time with what it has.", "s"
    )


@dataclass(frozen=True)
class Settings:
    """One run: the parcel that the command line and the node hand to `AudioToShape.generate`."""

    listening: Listening = Listening()
    sampling: Sampling = Sampling()
    refining: Refining = Refining()
