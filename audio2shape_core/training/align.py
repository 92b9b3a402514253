"""Recipe: align audio, images and shapes in one space (paper III-A, Eq. 1)."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from audio2shape_core import checkpoint, models
from audio2shape_core.alignment.losses import tri_modal_loss
from audio2shape_core.data import shape_bank, sound_bank
from audio2shape_core.data.manifest import Item, read_manifest
from audio2shape_core.data.sounds import synthesize
from audio2shape_core.presets import Preset
from audio2shape_core.training.loop import fit
from audio2shape_core.vocabulary import OUTSIDE_TRAIN, VOCABULARY

CROP_S = 3.0  # shorter than what inference hears: cheaper, and each epoch cuts a clip elsewhere
NUM_POINTS = 512
MADE_SOUNDS = 120  # synthesised clips for a class without recordings
TERM_WEIGHTS = {"audio-anchor": 1.0, "point-anchor": 0.5, "image-anchor": 0.5}


def load_sounds(data: Path) -> sound_bank.SoundBank:
    """Training recordings of vocabulary and outside classes; classes without any are synthesised."""
    labels = VOCABULARY + OUTSIDE_TRAIN
    bank = sound_bank.SoundBank.read([i for i in read_manifest(data, "audio", "train") if i.label in labels])
    silent = [label for label in VOCABULARY if label not in bank.by_label]
    made = [(synthesize(label, seed), label) for label in silent for seed in range(MADE_SOUNDS)]
    return bank + sound_bank.SoundBank([m[0] for m in made], [m[1] for m in made])


def load_photos(items: list[Item], size: int) -> dict[str, np.ndarray]:
    """Photographs by class, squeezed to squares: label -> (M, size, size, 3) uint8 RGB."""
    by_label: dict[str, list[np.ndarray]] = {}
    for item in items:
        picture = cv2.imread(str(item.path), cv2.IMREAD_COLOR)
        if picture is not None and item.label in VOCABULARY:
            square = cv2.resize(picture, (size + 16, size + 16), interpolation=cv2.INTER_AREA)
            by_label.setdefault(item.label, []).append(cv2.cvtColor(square, cv2.COLOR_BGR2RGB))
    return {label: np.stack(pictures) for label, pictures in by_label.items()}


def augment_photo(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Random crop, mirror, brightness and contrast: (H, W, 3) uint8 -> (size, size, 3) float32 in [0, 1]."""
    y, x = rng.integers(0, np.array(picture.shape[:2]) - size + 1)
    crop = picture[y : y + size, x : x + size].astype(np.float32) / 255
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return np.clip((crop - 0.5) * rng.uniform(0.6, 1.4) + 0.5 + rng.uniform(-0.2, 0.2), 0, 1)


def train_align(preset: Preset, data: Path, output: Path, *, resume: bool, device: torch.device) -> Path:
    """Train the tri-encoder; writes and returns `output/alignment.safetensors`."""
    torch.manual_seed(0)
    config, recipe = preset.alignment, preset.align
    classes = VOCABULARY + OUTSIDE_TRAIN
    index_of = {label: index for index, label in enumerate(classes)}
    sounds = load_sounds(data)
    shapes = shape_bank.training_bank(data, output / "shapes.npz", preset.autoencoder.num_points)
    photos = load_photos(read_manifest(data, "photo", "train"), config.image_size)
    heard = [label for label in classes if label in sounds.by_label]
    # Outside sounds share a seventh of the batch: they fence the vocabulary in, and it is the vocabulary that counts.
    weight = np.array([1.0 if label in VOCABULARY else 0.4 for label in heard])
    model = models.build_tri_encoder(config, classes)

    def batch(rng: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """One class-balanced batch: inputs and class indices by modality."""
        size = recipe.batch_size
        audio_labels = rng.choice(heard, size, p=weight / weight.sum())
        point_labels = rng.choice(VOCABULARY, size)
        image_labels = rng.choice(list(photos), size // 2)
        audio = np.stack([sounds.draw(label, CROP_S, rng) for label in audio_labels])
        points = []
        for label in point_labels:
            cloud = shapes.points[shapes.draw(label, rng)]
            cloud = cloud[rng.choice(len(cloud), NUM_POINTS, replace=False)]
            cloud = shape_bank.augment(cloud, rng, turn=np.pi)
            points.append(cloud + rng.normal(0, 0.01, cloud.shape))
        images = [augment_photo(photos[label][rng.integers(len(photos[label]))], config.image_size, rng) for label in image_labels]
        inputs = {
            "audio": torch.from_numpy(audio),
            "point": torch.from_numpy(np.stack(points)).float(),
            "image": torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
        }
        labels = {"audio": audio_labels, "point": point_labels, "image": image_labels}
        indices = {name: torch.tensor([index_of[label] for label in names]) for name, names in labels.items()}
        return {k: v.to(device) for k, v in inputs.items()}, {k: v.to(device) for k, v in indices.items()}

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((0, step))
        inputs, indices = batch(rng)
        mel = model.audio.log_mel(inputs["audio"])  # (B, 1, M, F)
        mask = mel.cpu().numpy()
        for spectrogram in mask[:, 0]:
            sound_bank.mask_spectrogram(spectrogram, rng)
        embeddings = {
            "audio": model.audio.encode_mel(torch.from_numpy(mask).to(device))[0],
            "point": model.point(inputs["point"]),
            "image": model.image(inputs["image"]),
        }
        embeddings = {name: e.float() for name, e in embeddings.items()}
        terms = tri_modal_loss(embeddings, indices, model.anchors, model.scale)
        return {name: TERM_WEIGHTS.get(name, 0.3) * term for name, term in terms.items()}

    average = fit(model, losses, recipe, output, resume=resume, device=device)
    target = output / "alignment.safetensors"
    info = {"classes": classes, "steps": recipe.steps}
    checkpoint.save(target, "alignment", preset.to_dict()["alignment"], average.state_dict(), info)
    return target
