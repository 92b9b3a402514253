"""`evaluate retrieval`: Table I of the paper, with gallery sizes and chance levels beside every figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core import models
from audio2shape_core.audio import glances, load_audio
from audio2shape_core.data.image_bank import over_background
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.calibration import auroc, expected_calibration_error
from audio2shape_core.evaluation.confusion import confusion_matrix, draw_confusion
from audio2shape_core.evaluation.gallery import GalleryShape, read_gallery
from audio2shape_core.evaluation.retrieval_metrics import retrieval_metrics
from audio2shape_core.evaluation.robustness import CHANGES
from audio2shape_core.pipeline import choose_device
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.vocabulary import OUTSIDE_HELD_OUT, VOCABULARY, ZERO_SHOT

NUM_POINTS = 1024
COMPLETE_TO = 5  # shapes a class at least, procedural where real ones lack


@dataclass(frozen=True)
class Embedded:
    """Unit embeddings (M, 512), with the label of each; for shapes and renders of them the shape's id; for sounds how
    familiar each was (M,)."""

    vectors: np.ndarray
    labels: list[str]
    ids: list[str] | None = None
    familiarity: np.ndarray | None = None


def read_sounds(data: Path, split: str, labels: tuple[str, ...]) -> tuple[list[np.ndarray], list[str]]:
    """Waveforms of a split and their labels; recordings that cannot be used are reported and left out."""
    waveforms, kept = [], []
    for item in read_manifest(data, "audio", split):
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

    def __init__(self, weights: Path, device: str) -> None:
        self.device = choose_device(device)
        self.model, self.config, _ = models.load_tri_encoder(weights / "alignment.safetensors")
        self.model.to(self.device)

    def _stack(self, vectors: list[np.ndarray], labels: list[str], ids: list[str] | None = None) -> Embedded:
        return Embedded(np.array(vectors).reshape(-1, self.config.embed_dim), labels, ids)

    @torch.inference_mode()
    def sounds(self, waveforms: list[np.ndarray], labels: list[str], name: str = "listening") -> Embedded:
        vectors, familiar = [], []
        for waveform in tqdm(waveforms, name):
            windows = torch.from_numpy(glances(waveform, self.config.window_s, self.config.sample_rate))
            heard = self.model.hear(windows.to(self.device))
            vectors.append(heard.embedding[0].cpu().numpy())
            familiar.append(self.model.familiarity(heard.signature).item())
        return replace(self._stack(vectors, labels), familiarity=np.array(familiar))

    @torch.inference_mode()
    def _picture(self, picture: np.ndarray) -> np.ndarray:  # (S, S, 3) uint8 or float32 in [0, 1] -> (D,)
        size = self.config.image_size
        square = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        scale = 255 if picture.dtype == np.uint8 else 1
        image = torch.from_numpy(square).permute(2, 0, 1)[None].float().to(self.device) / scale
        return self.model.image(image)[0].cpu().numpy()

    def photos(self, data: Path, split: str, labels: tuple[str, ...]) -> Embedded:
        vectors, kept = [], []
        for item in read_manifest(data, "photo", split):
            picture = cv2.imread(str(item.path), cv2.IMREAD_COLOR) if item.label in labels else None
            if picture is not None:
                vectors.append(self._picture(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))
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

    def confidence(self, sounds: Embedded) -> tuple[np.ndarray, list[str]]:
        """The pipeline's confidence in each sound, and the class it names."""
        probabilities = self.model.class_probabilities(torch.from_numpy(sounds.vectors).to(self.device))
        best = probabilities.max(-1)
        return best.values.detach().cpu().numpy() * sounds.familiarity, [
            self.model.classes[i] for i in best.indices.tolist()
        ]


def both_ways(first: Embedded, second: Embedded, names: tuple[str, str]) -> dict[str, dict]:
    similarity = first.vectors @ second.vectors.T
    return {
        f"{names[0]}_to_{names[1]}": retrieval_metrics(similarity, first.labels, second.labels, first.ids, second.ids),
        f"{names[1]}_to_{names[0]}": retrieval_metrics(
            similarity.T, second.labels, first.labels, second.ids, first.ids
        ),
    }


def robustness(embedder: Embedder, waveforms: list[np.ndarray], labels: list[str], shapes: Embedded) -> dict[str, dict]:
    """audio -> shape mAP and the share named right, through everything that recordings suffer."""
    rows = {}
    for name, change in CHANGES.items():
        rng = np.random.default_rng(0)
        sounds = embedder.sounds([change(w, rng) for w in waveforms], labels, name)
        found = retrieval_metrics(sounds.vectors @ shapes.vectors.T, labels, shapes.labels)
        right = np.mean(np.array(embedder.confidence(sounds)[1]) == np.array(labels))
        rows[name] = {"map": found["map"], "accuracy": float(right)}
    return rows


def evaluate_retrieval(data: Path, split: str, *, weights: Path, device: str, picture: Path | None = None) -> dict:
    """Class retrieval in the joint space, zero-shot retrieval, calibration, known against unknown sounds, robustness.

    `picture`: where to draw the confusion matrix of the recordings.
    """
    embedder = Embedder(weights, device)
    gallery = read_gallery(data, split, VOCABULARY, complete_to=COMPLETE_TO)
    shapes = embedder.shapes(gallery)
    waveforms, labels = read_sounds(data, split, VOCABULARY)
    sounds = embedder.sounds(waveforms, labels)
    confidence, named = embedder.confidence(sounds)
    correct = np.array(named) == np.array(labels)
    outside = embedder.sounds(*read_sounds(data, split, OUTSIDE_HELD_OUT))
    unseen = read_gallery(data, split, ZERO_SHOT, complete_to=COMPLETE_TO)
    unseen_shapes = embedder.shapes(unseen)
    result = {
        "gallery_size": len(gallery),
        "gallery_made": sum(not shape.real for shape in gallery),
        **both_ways(sounds, shapes, ("audio", "shape")),
        **both_ways(embedder.renders(gallery), shapes, ("image", "shape")),
        **both_ways(embedder.photos(data, split, VOCABULARY), shapes, ("photo", "shape")),
        "zero_shot": {
            "gallery_size": len(unseen),
            **both_ways(embedder.sounds(*read_sounds(data, split, ZERO_SHOT)), unseen_shapes, ("audio", "shape")),
            **both_ways(embedder.renders(unseen), unseen_shapes, ("image", "shape")),
        },
        "audio_accuracy": float(correct.mean()),
        "audio_accuracy_macro": float(np.mean([correct[np.array(labels) == k].mean() for k in set(labels)])),
        "calibration_error": expected_calibration_error(confidence, correct),
        "known_unknown_auroc": auroc(sounds.familiarity, outside.familiarity),
        "known_unknown_auroc_confidence": auroc(confidence, embedder.confidence(outside)[0]),
        "robustness": robustness(embedder, waveforms, labels, shapes),
    }
    result["chance_map"] = result["audio_to_shape"]["chance_map"]
    report(result)
    if picture:
        heard = [label for label in VOCABULARY if label in labels or label in named]
        draw_confusion(
            picture, confusion_matrix(labels, named, heard), heard, f"{split}: what each recording was taken for"
        )
    return result


def report(result: dict) -> None:
    """Print the tables: mAP with its interval and the chance level beside it."""
    print(f"gallery: {result['gallery_size']} shapes, {result['gallery_made']} procedural; images are renders of it")
    print(f"{'':26s}{'mAP':>8s}{'95 % interval':>17s}{'chance':>8s}{'hit@1':>8s}{'recall@1':>10s}")
    zero = {f"zero-shot {k}": v for k, v in result["zero_shot"].items()}
    for name, row in {**result, **zero}.items():
        if isinstance(row, dict) and "map" in row:
            low, high = row["map_interval"]
            print(
                f"{name:26s}{row['map']:8.1%}{low:9.1%} ..{high:5.1%}{row['chance_map']:8.1%}{row['class_hit@1']:8.1%}"
                f"{row['recall@1']:10.1%}"
            )
    print(
        f"class named right {result['audio_accuracy']:.1%} (macro {result['audio_accuracy_macro']:.1%}), calibration "
        f"error {result['calibration_error']:.3f}; AUROC of known against unknown sounds: familiarity "
        f"{result['known_unknown_auroc']:.3f}, confidence {result['known_unknown_auroc_confidence']:.3f}"
    )
    for name, row in result["robustness"].items():
        print(f"{name:26s} audio_to_shape mAP{row['map']:7.1%}   named right{row['accuracy']:7.1%}")
