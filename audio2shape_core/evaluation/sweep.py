"""`evaluate sweep`: what guidance and the number of steps buy, as a table and as curves.

Choose settings on a split that nothing else is measured on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core.data.canonical import normalize
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.evaluation.gallery import read_gallery
from audio2shape_core.evaluation.generation import hear, judge_classes, macro
from audio2shape_core.evaluation.set_metrics import minimum_matching_distance, pairwise_chamfer, spread, subsample
from audio2shape_core.generation.samplers import SAMPLERS
from audio2shape_core.pipeline import AudioToShape
from audio2shape_core.settings import Sampling
from audio2shape_core.vocabulary import VOCABULARY

PER_CLASS = 6  # recordings, and references
GUIDANCE = (1.0, 1.5, 2.0, 3.0, 4.5, 6.0)
GUIDED_SHARES = (0.3, 0.5, 0.7, 0.85, 1.0)
STEPS = (5, 10, 20, 40)
SAMPLER_STEPS = 40  # of the comparison of samplers: DDIM and DDPM need more than the default
POINTS = 512


def evaluate_sweep(data: Path, split: str, *, weights: Path, device: str, picture: Path | None) -> dict:
    """Class accuracy as heard, MMD (squared Chamfer), and variety (mean distance between two clouds of one class, as a
    multiple of that between two references): for each guidance, each share of the noise levels where it acts, each
    number of steps, and each sampler.

    Returns {"guidance": {value: row}, "guided_share": {value: row}, "steps": {value: row}, "sampler": {value: row}}.
    """
    model = AudioToShape.load(weights, device=device)
    rng = np.random.default_rng(0)
    items = [item for item in read_manifest(data, "audio", split) if item.label in VOCABULARY]
    order = [items[i] for i in rng.permutation(len(items))]
    chosen = [item for label in VOCABULARY for item in [i for i in order if i.label == label][:PER_CLASS]]
    heard = [h for _, h in hear(model, chosen)]
    references = {
        label: subsample(
            [s.points for s in read_gallery(data, split, (label,), complete_to=PER_CLASS)][:PER_CLASS], POINTS
        )
        for label in sorted({h.label for h in heard})
    }
    contexts = torch.stack([h.context for h in heard])
    labels = np.array([h.label for h in heard])

    trained_for = model.diffusion

    def measure(sampler: str = trained_for.sampler, **settings: float) -> dict[str, float]:
        model.diffusion = replace(trained_for, sampler=sampler)
        clouds, _ = model.sample_clouds(contexts, torch.Generator().manual_seed(0), Sampling(**settings))
        clouds = [normalize(cloud) for cloud in clouds]
        right = macro(np.array(judge_classes(weights, clouds)) == labels, labels)[0]
        mmd, variety = [], []
        for label, truth in references.items():
            own = subsample([c for c, l in zip(clouds, labels) if l == label], POINTS)
            mmd.append(minimum_matching_distance(pairwise_chamfer(own, truth)))
            if len(own) > 1:
                variety.append(spread(pairwise_chamfer(own, own)) / spread(pairwise_chamfer(truth, truth)))
        return {"as_heard": right, "mmd": float(np.mean(mmd)), "variety": float(np.mean(variety))}

    result = {
        "guidance": {value: measure(guidance=value) for value in tqdm(GUIDANCE, "guidance")},
        "guided_share": {value: measure(guided_share=value) for value in tqdm(GUIDED_SHARES, "guided share")},
        "steps": {value: measure(steps=value) for value in tqdm(STEPS, "steps")},
        "sampler": {name: measure(sampler=name, steps=SAMPLER_STEPS) for name in tqdm(SAMPLERS, "sampler")},
    }
    for name, rows in result.items():
        for value, row in rows.items():
            print(
                f"{name} {value:<5} as heard {row['as_heard']:.1%}  MMD {row['mmd']:.4f}  variety {row['variety']:.2f}"
            )
    if picture:
        draw_sweep(result, picture)
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
