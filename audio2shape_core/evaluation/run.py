"""`audio2shape evaluate`: choose a measurement, run it, print it."""

from __future__ import annotations

from pathlib import Path

from audio2shape_core.checkpoint import WEIGHTS


def evaluate(what: str, data: Path, split: str, *, weights: str | None, device: str, sheet: str | None) -> dict:
    """Run one of retrieval, reconstruction, generation, refinement; returns its results as plain data."""
    folder = Path(weights) if weights else WEIGHTS
    if what == "generation":
        from audio2shape_core.evaluation.generation import evaluate_generation

        return evaluate_generation(data, split, weights=folder, device=device, sheet=Path(sheet) if sheet else None)
    raise NotImplementedError(what)
