"""`audio2shape evaluate`: choose a measurement and run it."""

from __future__ import annotations

import json
from pathlib import Path

from audio2shape_core.checkpoint import WEIGHTS


def evaluate(
    what: str,
    data: Path,
    split: str,
    *,
    weights: str | None,
    device: str,
    picture: str | None,
    ablations: dict[str, Path],
) -> dict:
    """Run one evaluation and print its table; returns the results as plain data."""
    folder = Path(weights) if weights else WEIGHTS
    drawn = Path(picture) if picture else None
    if what == "retrieval":
        from audio2shape_core.evaluation.retrieval import evaluate_retrieval

        return evaluate_retrieval(data, split, weights=folder, device=device, picture=drawn)
    if what == "reconstruction":
        from audio2shape_core.evaluation.reconstruction import evaluate_reconstruction

        return evaluate_reconstruction(data, split, weights=folder, device=device, picture=drawn, ablations=ablations)
    if what == "generation":
        from audio2shape_core.evaluation.generation import evaluate_generation

        return evaluate_generation(data, split, weights=folder, device=device, picture=drawn, ablations=ablations)
    if what == "sweep":
        from audio2shape_core.evaluation.sweep import evaluate_sweep

        return evaluate_sweep(data, split, weights=folder, device=device, picture=drawn)
    if what == "headings":
        from audio2shape_core.evaluation.headings import evaluate_headings

        return evaluate_headings(data, split)
    if what == "tables":
        from audio2shape_core.evaluation.tables import evaluate_tables

        return evaluate_tables(data, split, weights=folder, device=device, ablations=ablations)
    from audio2shape_core.evaluation.gallery import coloured_shapes
    from audio2shape_core.evaluation.photographs import evaluate_photographs
    from audio2shape_core.evaluation.refinement import evaluate_refinement, table
    from audio2shape_core.pipeline import choose_device

    result = evaluate_refinement(coloured_shapes(data, split), device=str(choose_device(device)))
    print("\n".join(table(result)))
    result["photographs"] = evaluate_photographs(data, split, picture=drawn)
    print(json.dumps(result["photographs"]))
    return result
