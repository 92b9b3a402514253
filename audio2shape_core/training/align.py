"""Recipe: align audio, images and shapes in one space (paper III-A, Eq. 1), in the paper's two steps.

First the audio and image encoders meet each other and the class anchors; the image encoder, whose steps are cheap, then
goes on alone. Then both are frozen and teach: their cached embeddings draw the point encoder into the space
(teacher-student distillation).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from audio2shape_core import checkpoint, models
from audio2shape_core.alignment.losses import centre_loss, tri_modal_loss
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.data import image_bank, shape_bank, sound_bank
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.presets import Preset
from audio2shape_core.synthetic.sounds import synthesize
from audio2shape_core.training.fit_familiarity import remember_sounds
from audio2shape_core.training.loop import check_parts, fit
from audio2shape_core.vocabulary import OUTSIDE_TRAIN, VOCABULARY

CLASSES = VOCABULARY + OUTSIDE_TRAIN
CROP_S = 3.0  # shorter than what inference hears: cheaper, and every epoch cuts a clip elsewhere
NUM_POINTS = 512
MADE_SOUNDS = 140  # synthesised clips for a class without recordings
DECOY_SOUNDS = 15  # and for every other class, lest "synthesised" itself becomes the mark of that class,
DECOY_SHARE = 0.1  # at this share of its draws
BLENDS = 0.5  # share of a batch's sounds that are two classes at once: on so few recordings, the strongest regulariser
RENDERS = 400  # pictures a class, rendered from training shapes, beside the photographs
TEACHER_VIEWS = 3  # augmented views of every recording whose embeddings are cached
TEACHER_PICTURES = 200  # and augmented pictures of every class
# The anchors lead: they alone tell an encoder what a class is when a batch holds few of its pairs.
CROSS_WEIGHT = 0.3
CENTRE_WEIGHT = 3.0
CANONICAL = 0.7  # share of the shapes shown in canonical pose, as ours are; the others stand at any heading
TERMS = ("audio-image", "audio-point", "image-point", "audio-anchor", "image-anchor", "point-anchor", "point-centre")


def load_sounds(data: Path) -> sound_bank.SoundBank:
    """Training recordings of vocabulary and outside classes; classes without any are synthesised."""
    bank = sound_bank.SoundBank.read([i for i in read_manifest(data, "audio", "train") if i.label in CLASSES])
    made = [
        (label, synthesize(label, seed))
        for label in tqdm(VOCABULARY, "sounds")
        for seed in range(DECOY_SOUNDS if label in bank.by_label else MADE_SOUNDS)
    ]
    return bank.completed_with(sound_bank.SoundBank([m[1] for m in made], [m[0] for m in made]), DECOY_SHARE)


def class_indices(labels: np.ndarray, device: torch.device) -> Tensor:
    return torch.tensor([CLASSES.index(label) for label in labels], device=device)


def weighted_terms(
    model: TriEncoder,
    embeddings: dict[str, Tensor],
    classes: dict[str, Tensor],
    without: frozenset[str],
    shares: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    terms = tri_modal_loss({n: e.float() for n, e in embeddings.items()}, classes, model.anchors, model.scale, shares)
    weights = {name: 1.0 if name.endswith("anchor") else CROSS_WEIGHT for name in TERMS if name not in without}
    return {name: weights[name] * term for name, term in terms.items() if name in weights}


def train_align(
    preset: Preset,
    data: Path,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    without: frozenset[str] = frozenset(),
) -> Path:
    """Train the tri-encoder; writes and returns `output/alignment.safetensors`. `without`: terms to leave out."""
    check_parts(without, TERMS)
    torch.manual_seed(0)
    sounds = load_sounds(data)
    shapes = shape_bank.training_bank(data, output / "shapes.npz", preset.autoencoder.num_points)
    size = preset.alignment.image_size
    photos = image_bank.read_photos(read_manifest(data, "photo", "train"), size)
    images = image_bank.ImageBank(photos, image_bank.render_shapes(shapes, RENDERS, size), size)
    model = models.build_tri_encoder(preset.alignment, CLASSES)
    model = align_teachers(
        model, preset, sounds, images, output / "teachers", resume=resume, device=device, without=without
    )
    if any(p.requires_grad for p in model.image.parameters()):  # a pretrained one is frozen
        model = look_on(model, preset, sounds, images, output / "images", resume=resume, device=device, without=without)
    model = distill_points(
        model, preset, sounds, images, shapes, output / "points", resume=resume, device=device, without=without
    )
    remember_sounds(model, sounds, preset.alignment.window_s, device)
    target = output / "alignment.safetensors"
    info = {"classes": CLASSES, "steps": [preset.align.steps, preset.look.steps, preset.distill.steps]}
    checkpoint.save(target, "alignment", preset.to_dict()["alignment"], model.state_dict(), info)
    return target


def align_teachers(
    model: TriEncoder,
    preset: Preset,
    sounds: sound_bank.SoundBank,
    images: image_bank.ImageBank,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    without: frozenset[str],
) -> TriEncoder:
    """Audio-visual alignment: the first term of Eq. 1, and the anchors."""
    size = preset.align.batch_size
    heard = list(sounds.by_label)
    # Outside sounds fence the vocabulary in, but it is the vocabulary that counts.
    weight = np.array([1.0 if label in VOCABULARY else 0.4 for label in heard])
    model.point.requires_grad_(False)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((0, step))
        audio_labels = rng.choice(heard, size, p=weight / weight.sum())
        image_labels = rng.choice(images.labels, size // 2)
        drawn = [sounds.draw(label, CROP_S, rng) for label in audio_labels]
        share = np.where(rng.random(size) < BLENDS, rng.uniform(0.5, 1.0, size), 1.0).astype(np.float32)
        other = rng.permutation(size)
        waves = torch.from_numpy(np.stack([sound_bank.blend(drawn[i], drawn[other[i]], share[i]) for i in range(size)]))
        mel = model.audio.log_mel(waves.to(device)).cpu().numpy()
        for spectrogram in mel[:, 0]:
            sound_bank.mask_spectrogram(spectrogram, rng)
        embeddings = {
            "audio": model.audio.encode_mel(torch.from_numpy(mel).to(device))[0],
            "image": model.image(draw_pictures(images, image_labels, rng, device)),
        }
        classes = {"audio": class_indices(audio_labels, device), "image": class_indices(image_labels, device)}
        one_hot = torch.nn.functional.one_hot(classes["audio"], len(CLASSES)).float()
        lead = torch.from_numpy(share).to(device).unsqueeze(1)
        return weighted_terms(
            model, embeddings, classes, without, {"audio": lead * one_hot + (1 - lead) * one_hot[other]}
        )

    return fit(model, losses, preset.align, output, resume=resume, device=device)


@torch.inference_mode()
def cache_audio(
    model: TriEncoder, sounds: sound_bank.SoundBank, window_s: float, device: torch.device
) -> dict[str, Tensor]:
    """Embeddings of augmented recordings: label -> (M, D)."""
    rng = np.random.default_rng(1)
    cached = {}
    for label in tqdm(VOCABULARY, "audio embeddings"):
        count = TEACHER_VIEWS * len(sounds.by_label[label])
        waves = torch.from_numpy(np.stack([sounds.draw(label, window_s, rng) for _ in range(count)]))
        cached[label] = torch.cat([model.audio(part.to(device))[0] for part in waves.split(32)])
    return cached


@torch.inference_mode()
def cache_images(model: TriEncoder, images: image_bank.ImageBank, device: torch.device) -> dict[str, Tensor]:
    """Embeddings of augmented pictures: label -> (TEACHER_PICTURES, D)."""
    rng = np.random.default_rng(1)
    return {
        label: model.image(draw_pictures(images, [label] * TEACHER_PICTURES, rng, device)) for label in images.labels
    }


def draw_pictures(
    images: image_bank.ImageBank, labels: list[str], rng: np.random.Generator, device: torch.device
) -> Tensor:
    """One augmented picture a label: (B, 3, H, W)."""
    pictures = torch.from_numpy(np.stack([images.draw(label, rng) for label in labels]))
    return pictures.permute(0, 3, 1, 2).to(device)


def draw_cached(
    cached: dict[str, Tensor], size: int, rng: np.random.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """A class-balanced batch of cached embeddings (B, D), and their class indices (B,)."""
    shown = rng.choice(list(cached), size)
    rows = [cached[label][rng.integers(len(cached[label]))] for label in shown]
    return torch.stack(rows), class_indices(shown, device)


def look_on(
    model: TriEncoder,
    preset: Preset,
    sounds: sound_bank.SoundBank,
    images: image_bank.ImageBank,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    without: frozenset[str],
) -> TriEncoder:
    """The image encoder goes on towards frozen sounds and anchors."""
    model.eval().requires_grad_(False)
    heard = cache_audio(model, sounds, preset.alignment.window_s, device)
    model.image.requires_grad_(True)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((8, step))
        labels = rng.choice(images.labels, preset.look.batch_size)
        audio, audio_classes = draw_cached(heard, preset.look.batch_size, rng, device)
        embeddings = {"audio": audio, "image": model.image(draw_pictures(images, labels, rng, device))}
        terms = weighted_terms(
            model, embeddings, {"audio": audio_classes, "image": class_indices(labels, device)}, without
        )
        return {name: term for name, term in terms.items() if "image" in name}

    return fit(model, losses, preset.look, output, resume=resume, device=device)


def distill_points(
    model: TriEncoder,
    preset: Preset,
    sounds: sound_bank.SoundBank,
    images: image_bank.ImageBank,
    shapes: shape_bank.ShapeBank,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    without: frozenset[str],
) -> TriEncoder:
    """The point encoder learns the space of its frozen teachers: the last two terms of Eq. 1, and the anchors.

    Each shape is also drawn to the anchor of its class: between classes the space is settled by then, and what a shape
    keeps of its own beside its class only blurs what a sound finds.
    """
    size = preset.distill.batch_size
    model.eval().requires_grad_(False)
    teachers = {
        "audio": cache_audio(model, sounds, preset.alignment.window_s, device),
        "image": cache_images(model, images, device),
    }
    model.point.requires_grad_(True)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((2, step))
        labels = rng.choice(VOCABULARY, size)
        clouds = []
        for label in labels:
            cloud = shapes.points[shapes.draw(label, rng)]
            turn = 0.1 if rng.random() < CANONICAL else np.pi
            cloud = shape_bank.augment(cloud[rng.choice(len(cloud), NUM_POINTS, replace=False)], rng, turn=turn)
            clouds.append(cloud + rng.normal(0, 0.01, cloud.shape))
        points = torch.from_numpy(np.stack(clouds)).float().to(device)
        embeddings, classes = {"point": model.point(points)}, {"point": class_indices(labels, device)}
        for name, teacher in teachers.items():
            embeddings[name], classes[name] = draw_cached(teacher, size, rng, device)
        terms = weighted_terms(model, embeddings, classes, without)
        if "point-centre" not in without:
            centres = model.anchors[classes["point"]]
            terms["point-centre"] = CENTRE_WEIGHT * centre_loss(embeddings["point"].float(), centres)
        return {name: term for name, term in terms.items() if "point" in name}

    return fit(model, losses, preset.distill, output, resume=resume, device=device)
