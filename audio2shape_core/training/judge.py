"""Recipe: the independent point-cloud classifier that judges what was generated.

It never sees a sound, an embedding or a generated cloud: only real and procedural shapes with their class.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from audio2shape_core import checkpoint, models
from audio2shape_core.data import shape_bank
from audio2shape_core.presets import Preset
from audio2shape_core.training.autoencode import draw_clouds
from audio2shape_core.training.loop import check_parts, fit
from audio2shape_core.vocabulary import VOCABULARY

NUM_POINTS = 1024


def train_judge(
    preset: Preset,
    data: Path,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    without: frozenset[str] = frozenset(),
) -> Path:
    """Train the classifier; writes and returns `output/judge.safetensors`."""
    check_parts(without, ())
    torch.manual_seed(7)
    recipe = preset.judge
    bank = shape_bank.training_bank(data, output / "shapes.npz", preset.autoencoder.num_points)
    model = models.build_judge(preset.alignment.point_widths, len(VOCABULARY))
    index_of = {label: index for index, label in enumerate(VOCABULARY)}

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((5, step))
        labels, points, _, _ = draw_clouds(bank, recipe.batch_size, np.pi, rng)
        subset = rng.choice(points.shape[1], NUM_POINTS, replace=False)
        points = points[:, subset] + rng.normal(0, rng.uniform(0.0, 0.02), (len(points), NUM_POINTS, 3))
        classes = torch.tensor([index_of[label] for label in labels], device=device)
        logits = model(torch.from_numpy(points).float().to(device))
        return {"classes": functional.cross_entropy(logits.float(), classes, label_smoothing=0.05)}

    average = fit(model, losses, recipe, output / "judge", resume=resume, device=device)
    target = output / "judge.safetensors"
    info = {"classes": VOCABULARY, "widths": preset.alignment.point_widths, "steps": recipe.steps}
    checkpoint.save(target, "judge", {}, average.state_dict(), info)
    return target
