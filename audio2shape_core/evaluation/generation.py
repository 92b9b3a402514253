"""`evaluate generation`: does what is generated look like what was heard?

The judge is a point-cloud classifier trained on real and procedural shapes alone: it knows nothing of sound, of the
joint space, or of generated clouds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core import models
from audio2shape_core.audio import load_audio
from audio2shape_core.data.canonical import normalize
from audio2shape_core.data.manifest import Item, read_manifest
from audio2shape_core.errors import InputError
from audio2shape_core.pipeline import AudioToShape, Heard
from audio2shape_core.shape import Shape
from audio2shape_core.vocabulary import VOCABULARY

BATCH = 32


@dataclass(frozen=True)
class Imagined:
    """Everything a recording became: its item, what was heard, the cloud (N, 3) and its colours (N, 3) uint8."""

    item: Item
    heard: Heard
    points: np.ndarray
    colors: np.ndarray


def hear(model: AudioToShape, items: list[Item]) -> list[tuple[Item, Heard]]:
    """Listen to every recording that can be used; unusable ones are reported and left out."""
    heard = []
    for item in tqdm(items, "listening"):
        try:
            heard.append((item, model.listen(load_audio(item.path))))
        except InputError as error:
            tqdm.write(f"left out: {error}")
    return heard


@torch.inference_mode()
def imagine_all(model: AudioToShape, heard: list[tuple[Item, Heard]], seed: int = 0) -> list[Imagined]:
    """One cloud a recording, drawn in batches with one stream of noise."""
    generator = torch.Generator().manual_seed(seed)
    out = []
    for start in tqdm(range(0, len(heard), BATCH), "imagining"):
        part = heard[start : start + BATCH]
        points, colors = model.draw(torch.stack([h.context for _, h in part]), generator)
        for (item, h), cloud, color in zip(part, points, colors):
            out.append(Imagined(item, h, cloud, np.round(color * 255).astype(np.uint8)))
    return out


@torch.inference_mode()
def judge_classes(folder: Path, clouds: list[np.ndarray]) -> list[str]:
    """The independent classifier's class of every cloud."""
    judge, classes = models.load_judge(folder / "judge.safetensors")
    labels = []
    for start in range(0, len(clouds), BATCH):
        batch = np.stack([normalize(cloud) for cloud in clouds[start : start + BATCH]])
        labels += [classes[i] for i in judge(torch.from_numpy(batch).float()).argmax(-1).tolist()]
    return labels


def macro(correct: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, float]]:
    """Mean over classes of the share that is right, and that share by class."""
    per_class = {label: float(correct[labels == label].mean()) for label in sorted(set(labels))}
    return float(np.mean(list(per_class.values()))), per_class


def draw_sheet(imagined: list[Imagined], path: Path, columns: int = 8) -> None:
    from audio2shape_core.preview import contact_sheet

    rows: dict[str, list[Shape]] = {}
    for one in imagined:
        row = rows.setdefault(one.item.label, [])
        if len(row) < columns:
            row.append(Shape(one.points, one.colors, np.ones(len(one.points), np.float32), one.heard.label))
    contact_sheet(rows, path)


def evaluate_generation(data: Path, split: str, *, weights: Path, device: str, sheet: Path | None) -> dict:
    """Class accuracy of generated clouds, against the label heard and against the truth, macro-averaged over classes."""
    model = AudioToShape.load(weights, device=device)
    items = [item for item in read_manifest(data, "audio", split) if item.label in VOCABULARY]
    imagined = imagine_all(model, hear(model, items))
    judged = np.array(judge_classes(weights, [one.points for one in imagined]))
    truth = np.array([one.item.label for one in imagined])
    heard = np.array([one.heard.label for one in imagined])
    right, per_class = macro(judged == truth, truth)
    result = {
        "recordings": len(imagined),
        "class_accuracy": {"heard": macro(judged == heard, heard)[0], "truth": right},
        "audio_accuracy": macro(heard == truth, truth)[0],
        "per_class": {"shape": per_class, "audio": macro(heard == truth, truth)[1]},
    }
    for label in per_class:
        print(f"{label:12s} heard {result['per_class']['audio'][label]:6.1%}   shape judged right {per_class[label]:6.1%}")
    print(f"macro: heard {result['audio_accuracy']:.1%}, shape against truth {right:.1%}, "
          f"against heard {result['class_accuracy']['heard']:.1%}")  # fmt: skip
    if sheet:
        draw_sheet(imagined, sheet)
    return result
