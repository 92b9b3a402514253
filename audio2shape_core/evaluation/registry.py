"""The evaluations by name: what each measures, where its function is, and which options act on it.

The command line is built from this table, so nothing heavy is imported here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio2shape_core.evaluation.task import Sizes


@dataclass(frozen=True)
class Evaluation:
    """function: "module.function" below `audio2shape_core.evaluation`, of one `Task`; what: what it measures; options:
    those of weights, device, picture, ablations, made and robustness that act on it; picture: what is drawn."""

    function: str
    what: str
    options: tuple[str, ...]
    picture: str = ""


EVALUATIONS = {
    "retrieval": Evaluation(
        "retrieval.evaluate_retrieval",
        "class retrieval in the joint space, calibration, unknown sounds (Table I)",
        ("weights", "device", "picture", "made", "robustness"),
        "the confusion matrix",
    ),
    "reconstruction": Evaluation(
        "reconstruction.evaluate_reconstruction",
        "shapes through the autoencoder (Table II)",
        ("weights", "device", "picture", "made", "ablations"),
        "interpolations between shapes",
    ),
    "generation": Evaluation(
        "generation.evaluate_generation",
        "generated shapes against sounds and real shapes (Tables III, IV)",
        ("weights", "device", "picture", "made", "ablations"),
        "a contact sheet",
    ),
    "refinement": Evaluation(
        "refinement.evaluate_refinement",
        "what an image does for a coarse cloud whose truth is known",
        ("device", "picture", "made"),
        "refined photographs",
    ),
    "headings": Evaluation("headings.evaluate_headings", "whether the real shapes of a class face one way", ()),
    "sweep": Evaluation(
        "sweep.evaluate_sweep",
        "what guidance and the number of steps buy",
        ("weights", "device", "picture", "made"),
        "curves",
    ),
    "tables": Evaluation(
        "tables.evaluate_tables",
        "Tables I to IV, the paper's figures beside ours",
        ("weights", "device", "made", "ablations", "robustness"),
    ),
}


def evaluate(
    name: str,
    data: Path,
    split: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    picture: Path | None = None,
    ablations: dict[str, Path] | None = None,
    made: bool = True,
    robustness: bool = True,
    sizes: Sizes | None = None,
) -> dict:
    """Run an evaluation and print its tables; returns plain data, None where there is no number.

    made: False leaves out what would be made where the set lacks it. The result's `made` counts what was.
    robustness: False leaves out the slow part of retrieval. Raises InputError for a bad set, checkpoint or device.
    """
    from audio2shape_core.checkpoint import WEIGHTS
    from audio2shape_core.data.completion import Completion
    from audio2shape_core.device import choose_device
    from audio2shape_core.evaluation.task import Sizes, Task

    task = Task(
        data=data,
        split=split,
        weights=weights or WEIGHTS,
        device=choose_device(device),
        picture=picture,
        ablations=ablations or {},
        completion=Completion(allowed=made),
        robustness=robustness,
        sizes=sizes or Sizes(),
    )
    module, _, function = EVALUATIONS[name].function.partition(".")
    result = getattr(import_module(f"audio2shape_core.evaluation.{module}"), function)(task)
    result = without_nan({**result, "made": task.completion.made})
    print("\n".join(lines_of(result)))
    return result


def without_nan(value: Any) -> Any:
    """Results in which None stands for every number that is none: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def lines_of(result: dict[str, Any], name: str = "") -> Iterator[str]:
    """Results as lines of text: a heading a group, a row an entry, a column a figure."""
    plain = {key: value for key, value in result.items() if not isinstance(value, dict)}
    if plain:
        yield f"{name:26s}" + "  ".join(f"{key} {_shown(value)}" for key, value in plain.items())
    for key, value in result.items():
        if isinstance(value, dict):
            yield from lines_of(value, f"{name} {key}".strip())


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " .. ".join(map(_shown, value))
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
