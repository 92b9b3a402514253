"""Recipe: the independent point-cloud classifier that judges what was generated.

It never sees a sound, an embedding or a generated cloud: only real and procedural shapes with their class.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from audio2shape_core import models
from audio2shape_core.training.autoencode import draw_clouds
from audio2shape_core.training.run import Run


def train_judge(run: Run) -> Path:
    """Train the classifier; writes and returns `output/judge.safetensors`."""
    run.check_parts()
    torch.manual_seed(7)
    config, recipe, vocabulary = run.preset.judging, run.preset.judge.optimization, run.classes()
    bank = run.shapes(vocabulary, max(config.num_points, run.preset.autoencoder.num_points))
    model = models.build_judge(config, len(vocabulary.names))

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((5, step))
        labels, points, _, _ = draw_clouds(bank, recipe.batch_size, np.pi, rng)
        subset = rng.choice(points.shape[1], config.num_points, replace=False)
        points = points[:, subset] + rng.normal(0, rng.uniform(0.0, 0.02), (len(points), config.num_points, 3))
        classes = torch.tensor([vocabulary.names.index(label) for label in labels], device=run.device)
        logits = model(torch.from_numpy(points).float().to(run.device))
        return {"classes": functional.cross_entropy(logits.float(), classes, label_smoothing=0.05)}

    average = run.fit(model, losses, recipe, "judge")
    return run.save("judge", asdict(config), vocabulary, average, steps=recipe.steps)
