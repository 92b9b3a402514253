"""Recipe: align audio, images and shapes in one space (paper III-A, Eq. 1), in the paper's two steps.

First the audio and image encoders meet each other and the class anchors; the image encoder, whose steps are cheap, then
goes on alone. Then both are frozen and teach: their cached embeddings draw the point encoder into the space
(teacher-student distillation).
"""

import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio2shape_core import checkpoint, models
from audio2shape_core.alignment import pretrained
from audio2shape_core.alignment.losses import centre_loss, tri_modal_loss
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.data.image_bank import ImageBank, read_photos, render_shapes
from audio2shape_core.data.manifest import read_manifest
from audio2shape_core.data.rows import Fields, Row, RowsByClass
from audio2shape_core.data.shape_bank import ShapeBank, augment
from audio2shape_core.data.sound_bank import SoundBank, blend, mask_spectrogram
from audio2shape_core.training.fit_familiarity import fit_familiarity
from audio2shape_core.training.run import Run

# The anchors lead: they alone tell an encoder what a class is when a batch holds few of its pairs.
CROSS_WEIGHT = 0.3
CENTRE_WEIGHT = 3.0
OUTSIDE_SHARE = 0.4  # of the draws of a named class: outside sounds bound the vocabulary, but it is what counts
TERMS = ("audio-image", "audio-point", "image-point", "audio-anchor", "image-anchor", "point-anchor", "point-centre")


def weighted_terms(
    model: TriEncoder,
    embeddings: dict[str, Tensor],
    classes: dict[str, Tensor],
    without: frozenset[str],
    shares: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The terms of Eq. 1 that can be had of these embeddings {modality: (B, D)} and their class indices (B,), weighted.

    shares: {modality: (B, K)}: of which classes a blended item is, instead of one class.
    """
    terms = tri_modal_loss({n: e.float() for n, e in embeddings.items()}, classes, model.anchors, model.scale, shares)
    weights = {name: 1.0 if name.endswith("anchor") else CROSS_WEIGHT for name in TERMS if name not in without}
    return {name: weights[name] * term for name, term in terms.items() if name in weights}


def train_align(run: Run) -> Path:
    """Train the tri-encoder; writes and returns `output/alignment.safetensors`. `run.without`: terms to leave out."""
    run.check_parts(*TERMS)
    config, recipe = run.preset.alignment, run.preset.align
    pretrained.check(config, run.pretrained)
    torch.manual_seed(0)
    vocabulary = run.classes()
    sounds, shapes = run.sounds(vocabulary), run.shapes(vocabulary, run.preset.autoencoder.num_points)
    photos = read_photos(read_manifest(run.data, "photo", "train"), vocabulary.names, config.image_size)
    views = render_shapes(shapes, run.completion, run.preset.made.renders, config.image_size, folder=run.made)
    alignment = Alignment(run, sounds, ImageBank(photos, views, config.image_size), shapes)
    model = models.build_tri_encoder(config, vocabulary, pretrained=run.pretrained)
    model = alignment.audio_visual(model)
    if any(p.requires_grad for p in model.image.parameters()):  # a pretrained one is frozen
        model = alignment.images_alone(model)
    model = alignment.distill_points(model)
    fit_familiarity(model, sounds, config.window_s, run.device)
    steps = [recipe.audio_visual.steps, recipe.images.steps, recipe.points.steps]
    return run.save("alignment", asdict(config), vocabulary, model, steps=steps)


@dataclass
class Alignment:
    """The three steps of the recipe, and the data that they share."""

    run: Run
    sounds: SoundBank
    images: ImageBank
    shapes: ShapeBank

    def audio_visual(self, model: TriEncoder) -> TriEncoder:
        """Audio-visual alignment: the first term of Eq. 1, and the anchors."""
        recipe, vocabulary = self.run.preset.align, model.vocabulary
        size = recipe.audio_visual.batch_size
        labels = list(self.sounds.by_label)
        weight = np.array([1.0 if label in vocabulary.names else OUTSIDE_SHARE for label in labels])
        model.point.requires_grad_(False)

        def losses(step: int) -> dict[str, Tensor]:
            rng = np.random.default_rng((0, step))
            heard = rng.choice(labels, size, p=weight / weight.sum())
            seen = rng.choice(self.images.labels, max(1, size // 2))
            drawn = [self.sounds.draw(label, recipe.crop_s, rng) for label in heard]
            share = np.where(rng.random(size) < recipe.blends, rng.uniform(0.5, 1.0, size), 1.0).astype(np.float32)
            other = rng.permutation(size)
            waves = np.stack([blend(drawn[i], drawn[other[i]], share[i]) for i in range(size)])
            mel = model.audio.log_mel(torch.from_numpy(waves).to(self.run.device)).cpu().numpy()
            for spectrogram in mel[:, 0]:
                mask_spectrogram(spectrogram, rng)
            embeddings = {
                "audio": model.audio.encode_mel(torch.from_numpy(mel).to(self.run.device))[0],
                "image": model.image(self.pictures(seen, rng)),
            }
            classes = {"audio": self.indices(model, heard), "image": self.indices(model, seen)}
            one_hot = torch.nn.functional.one_hot(classes["audio"], len(vocabulary.classes)).float()
            lead = torch.from_numpy(share).to(self.run.device).unsqueeze(1)
            shares = {"audio": lead * one_hot + (1 - lead) * one_hot[other]}
            return weighted_terms(model, embeddings, classes, self.run.without, shares)

        return self.run.fit(model, losses, recipe.audio_visual, "teachers")

    def images_alone(self, model: TriEncoder) -> TriEncoder:
        """The image encoder goes on towards frozen sounds and anchors."""
        size = self.run.preset.align.images.batch_size
        model.eval().requires_grad_(False)
        teacher = self.audio_embeddings(model)
        model.image.requires_grad_(True)

        def losses(step: int) -> dict[str, Tensor]:
            rng = np.random.default_rng((8, step))
            labels = rng.choice(self.images.labels, size)
            audio, audio_classes = self.taught(model, teacher, size, rng)
            embeddings = {"audio": audio, "image": model.image(self.pictures(labels, rng))}
            classes = {"audio": audio_classes, "image": self.indices(model, labels)}
            terms = weighted_terms(model, embeddings, classes, self.run.without)
            return {name: term for name, term in terms.items() if "image" in name}

        return self.run.fit(model, losses, self.run.preset.align.images, "images")

    def distill_points(self, model: TriEncoder) -> TriEncoder:
        """The point encoder learns the space of its frozen teachers: the last two terms of Eq. 1, and the anchors.

        Each shape is also drawn to the anchor of its class: between classes the space is settled by then, and what a
        shape keeps of its own beside its class only blurs what a sound finds.
        """
        recipe = self.run.preset.align
        size = recipe.points.batch_size
        model.eval().requires_grad_(False)
        teachers = {"audio": self.audio_embeddings(model), "image": self.image_embeddings(model)}
        model.point.requires_grad_(True)

        def losses(step: int) -> dict[str, Tensor]:
            rng = np.random.default_rng((2, step))
            labels = rng.choice(self.shapes.labels, size)
            clouds = []
            for label in labels:
                cloud = self.shapes.draw(label, rng)["points"]
                turn = 0.1 if rng.random() < recipe.canonical else np.pi
                cloud = augment(cloud[rng.choice(len(cloud), recipe.num_points, replace=False)], rng, turn=turn)
                clouds.append(cloud + rng.normal(0, 0.01, cloud.shape))
            points = torch.from_numpy(np.stack(clouds)).float().to(self.run.device)
            embeddings, classes = {"point": model.point(points)}, {"point": self.indices(model, labels)}
            for name, teacher in teachers.items():
                embeddings[name], classes[name] = self.taught(model, teacher, size, rng)
            terms = weighted_terms(model, embeddings, classes, self.run.without)
            if "point-centre" not in self.run.without:
                centres = model.anchors[classes["point"]]
                terms["point-centre"] = CENTRE_WEIGHT * centre_loss(embeddings["point"].float(), centres)
            return {name: term for name, term in terms.items() if "point" in name}

        return self.run.fit(model, losses, recipe.points, "points")

    def indices(self, model: TriEncoder, labels: Collection[str] | np.ndarray) -> Tensor:
        """Class indices (B,) of labels."""
        return torch.tensor([model.vocabulary.classes.index(label) for label in labels], device=self.run.device)

    def pictures(self, labels: Collection[str] | np.ndarray, rng: np.random.Generator) -> Tensor:
        """One augmented picture a label: (B, 3, H, W)."""
        pictures = torch.from_numpy(np.stack([self.images.draw(label, rng) for label in labels]))
        return pictures.permute(0, 3, 1, 2).to(self.run.device)

    def taught(
        self, model: TriEncoder, teacher: RowsByClass, size: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """A class-balanced batch of a teacher's embeddings (B, D), and their class indices (B,)."""
        labels = rng.choice(teacher.labels, size)
        drawn = torch.from_numpy(teacher.draw(labels, rng)["embedding"]).to(self.run.device)
        return drawn, self.indices(model, labels)

    def audio_embeddings(self, model: TriEncoder) -> RowsByClass:
        """Embeddings of augmented recordings by name, a few of each recording."""
        audio, window_s = copy.deepcopy(model.audio).eval(), self.run.preset.alignment.window_s

        def embed(label: str, rngs: list[np.random.Generator]) -> Tensor:
            waves = torch.from_numpy(np.stack([self.sounds.draw(label, window_s, rng) for rng in rngs]))
            return audio(waves.to(self.run.device))[0]

        counts = {label: len(self.sounds.by_label[label]) for label in model.vocabulary.names}
        counts = {label: self.run.preset.align.teacher_views * count for label, count in counts.items()}
        return self._embeddings("audio", audio, embed, counts, self.sounds.made_of)

    def image_embeddings(self, model: TriEncoder) -> RowsByClass:
        """Embeddings of augmented pictures by class."""
        image = copy.deepcopy(model.image).eval()

        def embed(label: str, rngs: list[np.random.Generator]) -> Tensor:
            return image(torch.cat([self.pictures([label], rng) for rng in rngs]))

        counts = dict.fromkeys(self.images.labels, self.run.preset.align.teacher_pictures)
        return self._embeddings("image", image, embed, counts, self.shapes.made_of)

    def _embeddings(
        self,
        name: str,
        encoder: torch.nn.Module,
        embed: Callable[[str, list[np.random.Generator]], Tensor],
        counts: dict[str, int],
        made_of: str,
    ) -> RowsByClass:
        encoder.to(self.run.device)
        taught_by = checkpoint.digest({key: tensor.cpu() for key, tensor in encoder.state_dict().items()})

        @torch.inference_mode()
        def make(label: str, indices: list[int]) -> Iterator[Row]:
            for start in range(0, len(indices), 32):
                part = indices[start : start + 32]
                rngs = [np.random.default_rng((1, index, *label.encode())) for index in part]
                yield from ({"embedding": row} for row in embed(label, rngs).float().cpu().numpy())

        fields: Fields = [("embedding", np.float32, (self.run.preset.alignment.embed_dim,))]
        made_of += taught_by
        return RowsByClass.of(counts, fields, make, folder=self.run.made, name=f"{name} embeddings", made_of=made_of)
