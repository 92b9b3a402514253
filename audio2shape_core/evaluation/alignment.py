"""`evaluate retrieval`: Table I of the paper, with gallery sizes and chance levels beside every figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from audio2shape_core import models
from audio2shape_core.audio import fit_window, load_audio
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.errors import InputError
from audio2shape_core.evaluation.calibration import auroc, expected_calibration_error
from audio2shape_core.evaluation.gallery import GalleryShape, read_gallery
from audio2shape_core.evaluation.retrieval import retrieval_metrics
from audio2shape_core.pipeline import choose_device
from audio2shape_core.vocabulary import OUTSIDE_HELD_OUT, VOCABULARY, ZERO_SHOT

NUM_POINTS = 1024
COMPLETE_TO = 5  # shapes a class at least, procedural where real ones lack


@dataclass(frozen=True)
class Embedded:
    """Unit embeddings (M, 512), with the label of each."""

    vectors: np.ndarray
    labels: list[str]


class Embedder:
    """A trained tri-encoder that embeds files and clouds."""

    def __init__(self, weights: Path, device: str) -> None:
        self.device = choose_device(device)
        self.model, self.config, _ = models.load_tri_encoder(weights / "alignment.safetensors")
        self.model.to(self.device)

    @torch.inference_mode()
    def sounds(self, data: Path, split: str, labels: tuple[str, ...]) -> Embedded:
        vectors, kept = [], []
        items = [item for item in read_manifest(data, "audio", split) if item.label in labels]
        for item in tqdm(items, "listening"):
            try:
                window = fit_window(load_audio(item.path), self.config.window_s, self.config.sample_rate)
            except InputError as error:
                tqdm.write(f"left out: {error}")
                continue
            vectors.append(self.model.audio(torch.from_numpy(window)[None].to(self.device))[0][0].cpu().numpy())
            kept.append(item.label)
        return Embedded(np.array(vectors).reshape(-1, self.config.embed_dim), kept)

    @torch.inference_mode()
    def photos(self, data: Path, split: str, labels: tuple[str, ...]) -> Embedded:
        vectors, kept, size = [], [], self.config.image_size
        for item in read_manifest(data, "photo", split):
            picture = cv2.imread(str(item.path), cv2.IMREAD_COLOR) if item.label in labels else None
            if picture is None:
                continue
            square = cv2.cvtColor(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
            image = torch.from_numpy(square).permute(2, 0, 1)[None].float().to(self.device) / 255
            vectors.append(self.model.image(image)[0].cpu().numpy())
            kept.append(item.label)
        return Embedded(np.array(vectors).reshape(-1, self.config.embed_dim), kept)

    @torch.inference_mode()
    def shapes(self, gallery: list[GalleryShape]) -> Embedded:
        rng = np.random.default_rng(0)
        vectors = []
        for shape in gallery:
            chosen = rng.choice(len(shape.points), NUM_POINTS, replace=len(shape.points) < NUM_POINTS)
            cloud = torch.from_numpy(shape.points[chosen])[None].to(self.device)
            vectors.append(self.model.point(cloud)[0].cpu().numpy())
        return Embedded(np.array(vectors).reshape(-1, self.config.embed_dim), [shape.label for shape in gallery])

    def confidence(self, sounds: Embedded) -> tuple[np.ndarray, list[str]]:
        """The pipeline's confidence in each sound, and the class it names."""
        known = len(VOCABULARY)
        probabilities = self.model.class_probabilities(torch.from_numpy(sounds.vectors).to(self.device))[:, :known]
        best = probabilities.max(-1)
        return best.values.detach().cpu().numpy(), [self.model.classes[i] for i in best.indices.tolist()]


def both_ways(first: Embedded, second: Embedded, names: tuple[str, str]) -> dict[str, dict]:
    similarity = first.vectors @ second.vectors.T
    return {
        f"{names[0]}_to_{names[1]}": retrieval_metrics(similarity, first.labels, second.labels),
        f"{names[1]}_to_{names[0]}": retrieval_metrics(similarity.T, second.labels, first.labels),
    }


def evaluate_retrieval(data: Path, split: str, *, weights: Path, device: str) -> dict:
    """Class retrieval in the joint space, zero-shot retrieval, calibration, and known against unknown sounds."""
    embedder = Embedder(weights, device)
    gallery = read_gallery(data, split, VOCABULARY, complete_to=COMPLETE_TO)
    sounds, shapes = embedder.sounds(data, split, VOCABULARY), embedder.shapes(gallery)
    photos = embedder.photos(data, split, VOCABULARY)
    confidence, named = embedder.confidence(sounds)
    correct = np.array(named) == np.array(sounds.labels)
    outside, _ = embedder.confidence(embedder.sounds(data, split, OUTSIDE_HELD_OUT))
    unseen = read_gallery(data, split, ZERO_SHOT, complete_to=COMPLETE_TO)
    zero = both_ways(embedder.sounds(data, split, ZERO_SHOT), embedder.shapes(unseen), ("audio", "shape"))
    result = {
        "gallery_size": len(gallery),
        "gallery_made": sum(not shape.real for shape in gallery),
        **both_ways(sounds, shapes, ("audio", "shape")),
        **both_ways(photos, shapes, ("image", "shape")),
        "zero_shot": {"gallery_size": len(unseen), **zero},
        "audio_accuracy": float(correct.mean()),
        "calibration_error": expected_calibration_error(confidence, correct),
        "known_unknown_auroc": auroc(confidence, outside),
    }
    result["chance_map"] = result["audio_to_shape"]["chance_map"]
    report(result)
    return result


def report(result: dict) -> None:
    """Print the table: mAP with the chance level beside it."""
    print(f"gallery: {result['gallery_size']} shapes, {result['gallery_made']} of them procedural; images are photographs")
    print(f"{'':24s}{'mAP':>8s}{'chance':>8s}{'hit@1':>8s}")
    rows = {**result, **{f"zero-shot {k}": v for k, v in result["zero_shot"].items()}}
    for name, row in rows.items():
        if isinstance(row, dict) and "map" in row:
            print(f"{name:24s}{row['map']:8.1%}{row['chance_map']:8.1%}{row['class_hit@1']:8.1%}")
    print(
        f"class named right {result['audio_accuracy']:.1%}, calibration error {result['calibration_error']:.3f}, "
        f"known against unknown AUROC {result['known_unknown_auroc']:.3f}"
    )
