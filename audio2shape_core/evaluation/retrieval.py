"""`evaluate retrieval`: Table I of the paper, with gallery sizes and chance levels beside every figure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core import models
from audio2shape_core.alignment.listening import listen
from audio2shape_core.audio import load_audio
from audio2shape_core.data.image_bank import over_background
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.calibration import auroc, expected_calibration_error
from audio2shape_core.evaluation.confusion import confusion_matrix, draw_confusion
from audio2shape_core.evaluation.gallery import GalleryShape, read_gallery
from audio2shape_core.evaluation.retrieval_metrics import retrieval_metrics
from audio2shape_core.evaluation.robustness import CHANGES
from audio2shape_core.evaluation.task import Task
from audio2shape_core.pictures import read_photo
from audio2shape_core.results import Heard
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.vocabulary import Vocabulary

NUM_POINTS = 1024


@dataclass(frozen=True)
class Embedded:
    """Unit embeddings (M, 512), with the label of each; for shapes and renders of them the shape's id; for sounds what
    was heard."""

    vectors: np.ndarray
    labels: list[str]
    ids: list[str] | None = None
    heard: tuple[Heard, ...] = ()

    def figures(self, name: str) -> np.ndarray:
        """A field of what was heard, of every sound: (M,)."""
        return np.array([getattr(heard, name) for heard in self.heard])


def read_sounds(task: Task, labels: Collection[str]) -> tuple[list[np.ndarray], list[str]]:
    """Waveforms of the split and their labels; recordings that cannot be used are reported and left out."""
    waveforms, kept = [], []
    for item in read_manifest(task.data, "audio", task.split):
        if item.label in labels:
            try:
                waveforms.append(load_audio(item.path))
            except InputError as error:
                tqdm.write(f"left out: {error}")
                continue
            kept.append(item.label)
    return waveforms, kept


class Embedder:
    """A trained tri-encoder that embeds sounds, pictures and clouds."""

    def __init__(self, task: Task) -> None:
        self.device = task.device
        self.model, self.config, _ = models.load_tri_encoder(task.weights / "alignment.safetensors")
        self.model.to(self.device)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    def _stack(self, vectors: list[np.ndarray], labels: list[str], ids: list[str] | None = None) -> Embedded:
        return Embedded(np.array(vectors).reshape(-1, self.config.embed_dim), labels, ids)

    def sounds(self, waveforms: list[np.ndarray], labels: list[str], name: str = "listening") -> Embedded:
        """What the pipeline hears in every waveform."""
        heard = tuple(listen(self.model, self.config, waveform) for waveform in tqdm(waveforms, name))
        return replace(self._stack([one.embedding for one in heard], labels), heard=heard)

    @torch.inference_mode()
    def _picture(self, picture: np.ndarray) -> np.ndarray:  # (S, S, 3) uint8 or float32 in [0, 1] -> (D,)
        size = self.config.image_size
        square = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        scale = 255 if picture.dtype == np.uint8 else 1
        image = torch.from_numpy(square).permute(2, 0, 1)[None].float().to(self.device) / scale
        return self.model.image(image)[0].cpu().numpy()

    def photos(self, task: Task, labels: Collection[str]) -> Embedded:
        """The photographs of the split; pictures that cannot be decoded are left out."""
        vectors, kept = [], []
        for item in read_manifest(task.data, "photo", task.split):
            picture = read_photo(item.path) if item.label in labels else None
            if picture is not None:
                vectors.append(self._picture(picture))
                kept.append(item.label)
        return self._stack(vectors, kept)

    def renders(self, gallery: list[GalleryShape]) -> Embedded:
        """One picture of every shape: a view, light and background drawn from a fixed seed."""
        rng = np.random.default_rng(0)
        side, vectors = 2 * self.config.image_size, []
        for shape in tqdm(gallery, "renders"):
            picture = photograph(shape.points, shape.colors, rng, side)
            vectors.append(self._picture(over_background(picture, rng).astype(np.float32)))
        return self._stack(vectors, [shape.label for shape in gallery], [shape.id for shape in gallery])

    @torch.inference_mode()
    def shapes(self, gallery: list[GalleryShape]) -> Embedded:
        rng = np.random.default_rng(0)
        vectors = []
        for shape in gallery:
            chosen = rng.choice(len(shape.points), NUM_POINTS, replace=len(shape.points) < NUM_POINTS)
            cloud = torch.from_numpy(shape.points[chosen])[None].to(self.device)
            vectors.append(self.model.point(cloud)[0].cpu().numpy())
        return self._stack(vectors, [shape.label for shape in gallery], [shape.id for shape in gallery])


def both_ways(first: Embedded, second: Embedded, names: tuple[str, str]) -> dict[str, dict | None]:
    """Retrieval metrics from the first to the second and back; None where they have no class in common."""
    keys = (f"{names[0]}_to_{names[1]}", f"{names[1]}_to_{names[0]}")
    if not set(first.labels) & set(second.labels):
        return dict.fromkeys(keys)
    similarity = first.vectors @ second.vectors.T
    there = retrieval_metrics(similarity, first.labels, second.labels, first.ids, second.ids)
    back = retrieval_metrics(similarity.T, second.labels, first.labels, second.ids, first.ids)
    return dict(zip(keys, (there, back)))


def robustness(embedder: Embedder, waveforms: list[np.ndarray], labels: list[str], shapes: Embedded) -> dict[str, dict]:
    """audio -> shape mAP and the share named right, through everything that recordings suffer."""
    rows = {}
    for name, change in CHANGES.items():
        rng = np.random.default_rng(0)
        sounds = embedder.sounds([change(w, rng) for w in waveforms], labels, name)
        found = both_ways(sounds, shapes, ("audio", "shape"))["audio_to_shape"]
        right = np.mean(sounds.figures("label") == np.array(labels))
        rows[name] = {"map": found and found["map"], "accuracy": float(right)}
    return rows


def evaluate_retrieval(task: Task) -> dict:
    """Class retrieval in the joint space, zero-shot retrieval, calibration, known against unknown sounds, robustness.

    Figures are None where the split has nothing to measure them on.
    """
    embedder = Embedder(task)
    classes = task.classes(embedder.vocabulary)
    waveforms, labels = read_sounds(task, classes.names)
    sounds = embedder.sounds(waveforms, labels)
    outside = embedder.sounds(*read_sounds(task, classes.held_out))
    gallery, unseen = (
        read_gallery(task, names, complete_to=task.sizes.gallery) for names in (classes.names, classes.zero_shot)
    )
    shapes, unseen_shapes = embedder.shapes(gallery), embedder.shapes(unseen)
    rendered = task.completion.renders(len(gallery) + len(unseen)) > 0
    images, unseen_images = (embedder.renders(part if rendered else []) for part in (gallery, unseen))
    correct = sounds.figures("label") == np.array(labels)
    confidence = sounds.figures("confidence")
    tellable = len(labels) > 0 and len(outside.labels) > 0
    result: dict[str, Any] = {
        "gallery_size": len(gallery),
        "gallery_made": sum(not shape.real for shape in gallery),
        **both_ways(sounds, shapes, ("audio", "shape")),
        **both_ways(images, shapes, ("image", "shape")),
        **both_ways(embedder.photos(task, classes.names), shapes, ("photo", "shape")),
        "zero_shot": {
            "gallery_size": len(unseen),
            **both_ways(embedder.sounds(*read_sounds(task, classes.zero_shot)), unseen_shapes, ("audio", "shape")),
            **both_ways(unseen_images, unseen_shapes, ("image", "shape")),
        },
        "audio_accuracy": float(correct.mean()) if labels else None,
        "audio_accuracy_macro": (
            float(np.mean([correct[np.array(labels) == k].mean() for k in set(labels)])) if labels else None
        ),
        "calibration_error": expected_calibration_error(confidence, correct) if labels else None,
        "known_unknown_auroc": (
            auroc(sounds.figures("familiarity"), outside.figures("familiarity")) if tellable else None
        ),
        "known_unknown_auroc_confidence": auroc(confidence, outside.figures("confidence")) if tellable else None,
        "robustness": robustness(embedder, waveforms, labels, shapes) if task.robustness and labels else None,
    }
    found = result["audio_to_shape"]
    result["chance_map"] = found and found["chance_map"]
    if task.picture:
        named = set(sounds.figures("label"))
        heard = [label for label in embedder.vocabulary.names if label in labels or label in named]
        matrix = confusion_matrix(labels, list(sounds.figures("label")), heard)
        draw_confusion(task.picture, matrix, heard, f"{task.split}: what each recording was taken for")
    return result
