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
from audio2shape_core.evaluation.gallery import GalleryShape, read_gallery
from audio2shape_core.evaluation.retrieval import Embedded, Embedder, both_ways
from audio2shape_core.evaluation.set_metrics import pairwise_chamfer, spread, subsample
from audio2shape_core.evaluation.shape_sets import compare_sets
from audio2shape_core.evaluation.task import Task, mean
from audio2shape_core.pipeline import AudioToShape
from audio2shape_core.results import Heard
from audio2shape_core.shape import Shape

BATCH = 32
VARIETY_SEEDS = 8


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
    for start in tqdm(range(0, len(heard), BATCH), "imagining", disable=len(heard) <= BATCH):
        part = heard[start : start + BATCH]
        points, colors = model.sample_clouds(torch.stack([h.context for _, h in part]), generator)
        for (item, h), cloud, color in zip(part, points, colors):
            out.append(Imagined(item, h, cloud, np.round(color * 255).astype(np.uint8)))
    return out


@torch.inference_mode()
def judge_classes(task: Task, clouds: list[np.ndarray]) -> list[str]:
    """The independent classifier's class of every cloud."""
    judge, config, vocabulary = models.load_judge(task.weights / "judge.safetensors")
    clouds = subsample([normalize(cloud) for cloud in clouds], config.num_points)
    labels = []
    for start in range(0, len(clouds), BATCH):
        batch = np.stack(clouds[start : start + BATCH])
        labels += [vocabulary.names[i] for i in judge(torch.from_numpy(batch).float()).argmax(-1).tolist()]
    return labels


def macro(correct: np.ndarray, labels: np.ndarray) -> tuple[float | None, dict[str, float]]:
    """Mean over classes of the share that is right, and that share by class."""
    per_class = {label: float(correct[labels == label].mean()) for label in sorted(set(labels))}
    return mean(per_class.values()), per_class


def draw_sheet(imagined: list[Imagined], path: Path, columns: int = 8) -> None:
    """Up to eight clouds a class, each from a recording or a seed of its own."""
    from audio2shape_core.preview import contact_sheet

    rows: dict[str, list[Shape]] = {}
    for one in imagined:
        row = rows.setdefault(one.item.label, [])
        if len(row) < columns:
            row.append(Shape(one.points, one.colors, np.ones(len(one.points), np.float32), one.heard.label))
    contact_sheet(dict(sorted(rows.items())), path)


def points_by_class(imagined: list[Imagined]) -> dict[str, list[np.ndarray]]:
    """Clouds by the true class of their sound."""
    points: dict[str, list[np.ndarray]] = {}
    for one in imagined:
        points.setdefault(one.item.label, []).append(one.points)
    return points


def more_seeds(model: AudioToShape, imagined: list[Imagined], count: int) -> list[Imagined]:
    """What classes with fewer than `count` recordings lack: further clouds of theirs, from other noise."""
    extra = []
    for label in sorted({one.item.label for one in imagined}):
        own = [(one.item, one.heard) for one in imagined if one.item.label == label]
        extra += [own[i % len(own)] for i in range(count - len(own))]
    return imagine_all(model, extra, seed=1)


def seed_variety(
    model: AudioToShape, imagined: list[Imagined], gallery: list[GalleryShape], task: Task
) -> dict[str, float]:
    """How much the clouds of one recording differ between seeds, by the class heard: their mean squared Chamfer
    distance, as a multiple of that between two real shapes of the class. 0 is one shape for all seeds; 1 is the variety
    of real shapes. Classes with fewer than two shapes in the gallery are left out."""
    variety, count = {}, task.sizes.set_points[0]
    for one in {one.heard.label: one for one in imagined}.values():
        real = [s.points for s in gallery if s.label == one.heard.label][: task.sizes.sets]
        if len(real) > 1:
            clouds = imagine_all(model, [(one.item, one.heard)] * VARIETY_SEEDS, seed=2)
            own, real = subsample([normalize(cloud.points) for cloud in clouds], count), subsample(real, count)
            variety[one.heard.label] = spread(pairwise_chamfer(own, own)) / spread(pairwise_chamfer(real, real))
    return variety


def semantic_retrieval(embedder: Embedder, imagined: list[Imagined], renders: Embedded) -> dict[str, dict | None]:
    """Table III: do generated clouds lie where their sounds lie? Instances are recordings; images are renders of the
    real gallery, with which generated clouds share no instance."""
    labels, ids = [one.item.label for one in imagined], [str(one.item.path) for one in imagined]
    clouds = [GalleryShape(one.item.label, str(one.item.path), normalize(one.points), None, False) for one in imagined]
    shapes = embedder.shapes(clouds)
    sounds = Embedded(np.stack([one.heard.embedding for one in imagined]), labels, ids)
    return {
        **both_ways(sounds, shapes, ("audio", "shape")),
        **both_ways(Embedded(renders.vectors, renders.labels), Embedded(shapes.vectors, labels), ("image", "shape")),
    }


def class_accuracy(imagined: list[Imagined], task: Task) -> dict:
    """The judge's verdict on every cloud, against the label heard and against the truth, macro-averaged."""
    judged = np.array(judge_classes(task, [one.points for one in imagined]))
    truth = np.array([one.item.label for one in imagined])
    heard = np.array([one.heard.label for one in imagined])
    right, per_class = macro(judged == truth, truth)
    audio, audio_per_class = macro(heard == truth, truth)
    as_heard, shape_as_heard = macro(judged == heard, heard)
    return {
        "class_accuracy": {"heard": as_heard, "truth": right},
        "audio_accuracy": audio,
        "per_class": {"shape": per_class, "audio": audio_per_class, "shape_as_heard": shape_as_heard},
    }


def evaluate_generation(task: Task) -> dict:
    """Class accuracy, semantic retrieval and set metrics of one cloud a recording; ablations beside them.

    Set metrics compare with the true class, so they fall with what is heard wrong; `sets_heard_right` leaves that out.
    An ablation is the folder of a whole system trained without a part; the same judge judges it, over three seeds.
    Raises InputError where no recording of the split can be used.
    """
    model = AudioToShape.load(task.weights, device=str(task.device))
    names = task.classes(model.vocabulary).names
    items = [item for item in read_manifest(task.data, "audio", task.split) if item.label in names]
    heard = hear(model, items)
    if not heard:
        raise InputError(f"no recordings to imagine from in split {task.split!r}; expected some of the vocabulary")
    imagined = imagine_all(model, heard)
    gallery = read_gallery(task, names, complete_to=task.sizes.sets)
    labels = np.array([shape.label for shape in gallery])
    judged = np.array(judge_classes(task, [shape.points for shape in gallery]))
    sampled = imagined + more_seeds(model, imagined, task.sizes.sets)
    sets = compare_sets(points_by_class(sampled), gallery, task)
    right = [one for one in imagined if one.heard.label == one.item.label]
    right += more_seeds(model, right, task.sizes.sets)
    right_sets = compare_sets(points_by_class(right), gallery, task, with_emd=False)
    variety = seed_variety(model, imagined, gallery, task)
    embedder = Embedder(task)
    renders = embedder.renders(gallery if task.completion.renders(len(gallery)) else [])
    result = {
        "recordings": len(imagined),
        **class_accuracy(imagined, task),
        "judge_accuracy": macro(judged == labels, labels)[0],
        "semantic": semantic_retrieval(embedder, imagined, renders),
        **{key: value for key, value in sets.items() if key != "per_class"},
        "sets": sets["per_class"],
        "sets_heard_right": {key: value for key, value in right_sets.items() if key != "per_class"},
        "seed_variety": {"median": float(np.median(list(variety.values()))) if variety else None, "per_class": variety},
    }
    if task.ablations:
        result["ablations"] = {"full": seeds_of(model, heard, task)}
        for name, folder in task.ablations.items():
            other = AudioToShape.load(folder, device=str(task.device))
            result["ablations"][name] = seeds_of(other, hear(other, items), task)
    if task.picture:
        draw_sheet(sampled, task.picture)
    return result


def seeds_of(model: AudioToShape, heard: list[tuple[Item, Heard]], task: Task) -> dict:
    """Share of clouds of the right class over three seeds: mean and spread (largest minus smallest)."""
    runs = [class_accuracy(imagine_all(model, heard, seed), task)["class_accuracy"]["truth"] for seed in range(3)]
    return {"class_accuracy": float(np.mean(runs)), "spread": float(np.ptp(runs))}
