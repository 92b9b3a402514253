"""The whole way from sound to shape: listen, imagine, refine. The only file that knows all three stages.

model = AudioToShape.load()
generation = model.generate(load_audio("guitar.ogg"), seed=1)
generation.shape.save("guitar.ply")
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from audio2shape_core import models
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.audio import glances
from audio2shape_core.camera import Camera
from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.errors import InputError, Progress
from audio2shape_core.generation.denoiser import UNetDenoiser
from audio2shape_core.generation.diffusion import sample
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.presets import AlignmentConfig, DenoiserConfig
from audio2shape_core.refinement import Refined, refine
from audio2shape_core.shape import Shape, resize_cloud
from audio2shape_core.vocabulary import SIZE_M

# on_estimate(step, total, decode) after every denoising step; decode() gives the shape as it would be now, for a price.
Estimates = Callable[[int, int, Callable[[], Shape]], None]
DEFAULT_VIEW = (256, 256)  # pixels of the camera assumed when there is none


@dataclass(frozen=True)
class Heard:
    """What listening gives. embedding: (512,), context: (L, C) for the denoiser, both float32; label: the most likely
    class of the vocabulary; familiarity: the probability that the sound is of a kind that training showed; scores: of
    each class, its probability among those of the vocabulary times the familiarity; confidence: the label's score.
    """

    embedding: np.ndarray
    context: torch.Tensor
    label: str
    confidence: float
    scores: dict[str, float]
    familiarity: float


@dataclass(frozen=True)
class Generation:
    """A finished run. `shape` is the refined cloud where an image was given and trusted, else the coarse one."""

    shape: Shape
    coarse: Shape
    heard: Heard
    refined: Refined | None
    timings_ms: dict[str, float]
    seed: int
    device: str
    weights_sha256: str


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N` -> a device that exists. Raises InputError for one that does not."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; expected auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device {name!r} is not there ({torch.cuda.device_count()} CUDA devices); use --device auto")
    return device


class AudioToShape:
    """The trained system. `load` builds it from checkpoints; the constructor takes the built parts."""

    def __init__(
        self,
        *,
        encoder: TriEncoder,
        autoencoder: PointCloudVQVAE,
        denoiser: UNetDenoiser,
        alignment: AlignmentConfig,
        diffusion: DenoiserConfig,
        device: torch.device,
        weights_sha256: str,
    ) -> None:
        self.encoder = encoder.to(device)
        self.autoencoder = autoencoder.to(device)
        self.denoiser = denoiser.to(device)
        self.alignment, self.diffusion = alignment, diffusion
        self.device, self.weights_sha256 = device, weights_sha256

    @classmethod
    def load(cls, weights: str | Path | None = None, *, device: str = "auto") -> AudioToShape:
        """Load the checkpoints of a folder; without one, the weights that ship.

        Raises InputError when a checkpoint is missing, damaged, or the device does not exist.
        """
        folder = Path(weights) if weights else WEIGHTS
        place = choose_device(device)
        encoder, alignment, first = models.load_tri_encoder(folder / "alignment.safetensors")
        autoencoder, _, second = models.load_autoencoder(folder / "autoencoder.safetensors")
        denoiser, diffusion, third = models.load_denoiser(folder / "denoiser.safetensors")
        together = "".join(stored.sha256 for stored in (first, second, third))
        return cls(
            encoder=encoder,
            autoencoder=autoencoder,
            denoiser=denoiser,
            alignment=alignment,
            diffusion=diffusion,
            device=place,
            weights_sha256=hashlib.sha256(together.encode()).hexdigest(),
        )

    @torch.inference_mode()
    def listen(self, waveform: np.ndarray) -> Heard:
        """Understand a sound: (S,) float32 mono at 16 kHz in [-1, 1]. Of a long one, the loudest stretch counts."""
        windows = glances(waveform, self.alignment.window_s, self.alignment.sample_rate)
        heard = self.encoder.hear(torch.from_numpy(windows).to(self.device))
        familiarity = self.encoder.familiarity(heard.signature).item()
        probabilities = familiarity * self.encoder.class_probabilities(heard.embedding)[0]
        scores = dict(zip(self.encoder.classes, probabilities.tolist()))  # the vocabulary comes first
        label = max(scores, key=scores.get)
        context = self.encoder.context(heard.embedding, heard.tokens)[0]
        return Heard(heard.embedding[0].cpu().numpy(), context, label, scores[label], scores, familiarity)

    @torch.inference_mode()
    def draw(
        self,
        contexts: torch.Tensor,
        generator: torch.Generator,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        guided_share: float | None = None,
        on_step: Callable[[int, int, torch.Tensor], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Clouds for a batch of contexts (B, L, C): points (B, N, 3) and colors (B, N, 3) in [0, 1], float32.

        `on_step` as in generation.diffusion.sample.
        """
        latents = sample(
            self.denoiser,
            contexts,
            (self.autoencoder.encoder.num_tokens, len(self.autoencoder.latent_mean)),
            train_steps=self.diffusion.train_steps,
            steps=self.diffusion.sample_steps if steps is None else steps,
            guidance=self.diffusion.guidance if guidance is None else guidance,
            guided_share=self.diffusion.guided_share if guided_share is None else guided_share,
            generator=generator,
            on_step=on_step,
        )
        return self.decode(latents)

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Standardised latents (B, T, C) -> points (B, N, 3) and colors (B, N, 3) in [0, 1], float32."""
        points, colors = self.autoencoder.decode(latents)
        return points.float().cpu().numpy(), colors.float().cpu().numpy()

    @torch.inference_mode()
    def imagine(
        self,
        heard: Heard,
        *,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        num_points: int = 2048,
        progress: Progress | None = None,
        on_estimate: Estimates | None = None,
    ) -> Shape:
        """Draw a shape for what was heard; one seed, one shape. Steps and guidance default to the checkpoint's."""

        def finished(points: np.ndarray, colors: np.ndarray) -> Shape:
            points, origin = resize_cloud(points[0], num_points, np.random.default_rng(seed))
            shape = Shape(
                points=points,
                colors=np.round(colors[0][origin] * 255).astype(np.uint8),
                confidence=np.float32(heard.confidence) * isolation(points),
                label=heard.label,
                scores=heard.scores,
            )
            return place(shape, Camera.default(*DEFAULT_VIEW))

        def follow(step: int, total: int, clean: torch.Tensor) -> None:
            if progress:
                progress("diffuse", step, total)
            if on_estimate:
                on_estimate(step, total, lambda: finished(*self.decode(clean)))

        generator = torch.Generator().manual_seed(seed)
        drawn = self.draw(heard.context[None], generator, steps=steps, guidance=guidance, on_step=follow)
        if progress:
            progress("decode_shape", 1, 1)
        return finished(*drawn)

    def refine(
        self,
        shape: Shape,
        image: np.ndarray,
        *,
        camera: Camera | None = None,
        pose_known: bool = False,
        mask: np.ndarray | None = None,
        iterations: int = 300,
        time_budget_s: float | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> tuple[Shape, Refined]:
        """Fit a coarse shape to an image (H, W, 3) uint8 RGB with 3D Gaussians.

        `camera` gives the intrinsics, and with `pose_known` its pose too (canonical frame to camera); `mask` (H, W)
        says which pixels are the object. Returns the refined shape, or the coarse one where the image was not trusted.
        """
        fitted = refine(
            shape.points,
            shape.colors,
            image,
            camera=camera,
            pose_known=pose_known,
            mask=mask,
            iterations=iterations,
            time_budget_s=time_budget_s,
            seed=seed,
            device=str(self.device),
            progress=progress,
        )
        if not fitted.accepted:
            return shape, fitted
        trust = np.float32(max(shape.confidence.max(), 1e-6))  # how sure the label is; the fit adds its own measure
        better = replace(
            shape,
            points=fitted.points,
            colors=fitted.colors,
            confidence=trust * fitted.confidence,
            gaussians=fitted.gaussians,
        )
        return place(better, fitted.camera), fitted

    def generate(
        self,
        waveform: np.ndarray,
        *,
        image: np.ndarray | None = None,
        camera: Camera | None = None,
        pose_known: bool = False,
        mask: np.ndarray | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        num_points: int = 2048,
        refine_steps: int = 300,
        time_budget_s: float | None = None,
        progress: Progress | None = None,
        on_estimate: Estimates | None = None,
    ) -> Generation:
        """Listen, imagine and, with an image, refine. `progress` is called at every step and may raise Cancelled."""
        timings: dict[str, float] = {}

        @contextmanager
        def timed(stage: str) -> Iterator[None]:
            start = time.perf_counter()
            yield
            timings[stage] = 1000 * (time.perf_counter() - start)

        marks: dict[str, float] = {}

        def watch(stage: str, step: int, total: int) -> None:
            marks[stage] = time.perf_counter()
            if progress:
                progress(stage, step, total)

        with timed("total"):
            with timed("encode"):
                heard = self.listen(waveform)
                watch("encode", 1, 1)
            start = time.perf_counter()
            coarse = self.imagine(
                heard,
                seed=seed,
                steps=steps,
                guidance=guidance,
                num_points=num_points,
                progress=watch,
                on_estimate=on_estimate,
            )
            timings["diffuse"] = 1000 * (marks["diffuse"] - start)
            timings["decode_shape"] = 1000 * (time.perf_counter() - marks["diffuse"])
            shape, refined = coarse, None
            timings["pose"] = timings["refine"] = 0.0
            if image is not None and refine_steps > 0:
                with timed("refine"):
                    shape, refined = self.refine(
                        coarse,
                        image,
                        camera=camera,
                        pose_known=pose_known,
                        mask=mask,
                        iterations=refine_steps,
                        time_budget_s=time_budget_s,
                        seed=seed,
                        progress=watch,
                    )
                timings["pose"] = 1000 * refined.seconds.get("pose", 0.0)
                timings["refine"] -= timings["pose"]
        return Generation(shape, coarse, heard, refined, timings, seed, str(self.device), self.weights_sha256)


def isolation(points: np.ndarray) -> np.ndarray:
    """How well each point is held by its neighbours: (N, 3) -> (N,) float32 in (0, 1], 1 for a typical point.

    A stray point of a generated cloud lies several times farther from its fourth neighbour than most do.
    """
    distance = cKDTree(points).query(points, k=5)[0][:, -1]
    return np.minimum(1.0, 1.5 * np.median(distance) / np.maximum(distance, 1e-9)).astype(np.float32)


def place(shape: Shape, camera: Camera) -> Shape:
    """Put a shape before a camera, in metres: a single view cannot tell scale, so the usual size of its class does."""
    extent = float(np.ptp(shape.points, axis=0).max())
    scale = SIZE_M[shape.label] / max(extent, 1e-6)
    matrix = camera.world_to_camera.copy()
    matrix[:3] *= scale
    return replace(shape, camera_from_shape=matrix)
