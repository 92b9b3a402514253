"""`evaluate sweep`: what guidance and the number of steps buy, as a table and as curves.

Choose settings on a split that nothing else is measured on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core.data.canonical import normalize
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.gallery import read_gallery
from audio2shape_core.evaluation.generation import hear, judge_classes, macro
from audio2shape_core.evaluation.set_metrics import minimum_matching_distance, pairwise_chamfer, spread, subsample
from audio2shape_core.evaluation.task import Task, mean
from audio2shape_core.generation.samplers import SAMPLERS
from audio2shape_core.pipeline import AudioToShape
from audio2shape_core.settings import Sampling

POINTS = 512


def evaluate_sweep(task: Task) -> dict:
    """Class accuracy as heard, MMD (squared Chamfer), and variety (mean distance between two clouds of one class, as a
    multiple of that between two references): for each guidance, each share of the noise levels where it acts, each
    number of steps, and each sampler.

    Returns {"guidance": {value: row}, "guided_share": {value: row}, "steps": {value: row}, "sampler": {value: row}}.
    Raises InputError where no recording of the split can be used.
    """
    sizes = task.sizes
    model = AudioToShape.load(task.weights, device=str(task.device))
    rng = np.random.default_rng(0)
    names = task.classes(model.vocabulary).names
    items = [item for item in read_manifest(task.data, "audio", task.split) if item.label in names]
    order = [items[i] for i in rng.permutation(len(items))]
    chosen = [item for label in names for item in [i for i in order if i.label == label][: sizes.swept]]
    heard = [h for _, h in hear(model, chosen)]
    if not heard:
        raise InputError(f"no recordings to sweep over in split {task.split!r}; expected some of the vocabulary")
    gallery = read_gallery(task, sorted({h.label for h in heard}), complete_to=sizes.swept)
    references = {
        label: subsample([s.points for s in gallery if s.label == label][: sizes.swept], POINTS)
        for label in sorted({shape.label for shape in gallery})
    }
    contexts = torch.stack([h.context for h in heard])
    labels = np.array([h.label for h in heard])

    trained_for = model.diffusion

    def measure(sampler: str = trained_for.sampler, **settings: Any) -> dict[str, float | None]:
        model.diffusion = replace(trained_for, sampler=sampler)
        drawn, _ = model.sample_clouds(contexts, torch.Generator().manual_seed(0), Sampling(**settings))
        clouds = [normalize(cloud) for cloud in drawn]
        right = macro(np.array(judge_classes(task, clouds)) == labels, labels)[0]
        mmd, variety = [], []
        for label, truth in references.items():
            own = subsample([c for c, l in zip(clouds, labels) if l == label], POINTS)
            mmd.append(minimum_matching_distance(pairwise_chamfer(own, truth)))
            if len(own) > 1 and len(truth) > 1:
                variety.append(spread(pairwise_chamfer(own, own)) / spread(pairwise_chamfer(truth, truth)))
        return {"as_heard": right, "mmd": mean(mmd), "variety": mean(variety)}

    result: dict[str, dict[Any, dict[str, float | None]]] = {
        "guidance": {value: measure(guidance=value) for value in tqdm(sizes.guidance, "guidance")},
        "guided_share": {value: measure(guided_share=value) for value in tqdm(sizes.guided_shares, "guided share")},
        "steps": {value: measure(steps=value) for value in tqdm(sizes.steps, "steps")},
        "sampler": {name: measure(sampler=name, steps=sizes.sampler_steps) for name in tqdm(SAMPLERS, "sampler")},
    }
    if task.picture:
        draw_sweep(result, task.picture)
    return result


def draw_sweep(result: dict, path: Path) -> None:
    """A panel a setting: accuracy and variety on the left axis, MMD on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from audio2shape_core.preview import write_png

    figure = Figure(figsize=(14, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, rows) in zip(figure.subplots(1, len(result)), result.items()):
        values = list(rows)
        for key in ("as_heard", "variety"):
            axes.plot(values, [rows[v][key] for v in values], marker="o", label=key.replace("_", " "))
        right = axes.twinx()
        right.plot(values, [rows[v]["mmd"] for v in values], marker="s", color="gray", label="MMD")
        axes.set(xlabel=name, ylim=(0, None))
        right.set(ylabel="MMD, squared Chamfer", ylim=(0, None))
        axes.legend(loc="lower left")
        right.legend(loc="lower right")
    write_png(figure, path)
