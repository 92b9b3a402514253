"""The whole way from sound to shape: listen, look, imagine, refine. The only file that knows all stages.

model = AudioToShape.load()
generation = model.generate(load_audio("guitar.ogg"), settings=Settings(sampling=Sampling(seed=1)))
generation.shape.save("guitar.ply")
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from audio2shape_core import models
from audio2shape_core.alignment.listening import listen
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.camera import Camera
from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.clouds import isolation, resize_cloud
from audio2shape_core.device import choose_device
from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError
from audio2shape_core.frame import Frame
from audio2shape_core.generation.denoiser import UNetDenoiser
from audio2shape_core.generation.diffusion import sample
from audio2shape_core.generation.vqvae import PointCloudVQVAE
from audio2shape_core.presets import PRESETS, AlignmentConfig, DenoiserConfig, Preset
from audio2shape_core.results import Generation, Heard, OnStep, Step
from audio2shape_core.settings import Refining, Sampling, Settings
from audio2shape_core.shape import Shape
from audio2shape_core.stopwatch import Stopwatch
from audio2shape_core.vocabulary import Vocabulary

if TYPE_CHECKING:
    from audio2shape_core.refinement import Refined

DEFAULTS = Settings()
LEAST_REFINING_S = 1.0  # before a deadline, below which an image is not looked at
ASSUMED_SIZE = (256, 256)  # pixels of the camera assumed when there is none


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

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes that this system names, and their usual sizes; the alignment checkpoint holds it."""
        return self.encoder.vocabulary

    @classmethod
    def load(cls, weights: str | Path | None = None, *, device: str = "auto") -> AudioToShape:
        """Load the checkpoints of a folder; without one, the weights that ship.

        Raises InputError when a checkpoint is missing, damaged, or the device does not exist.
        """
        folder = Path(weights) if weights else WEIGHTS
        chosen = choose_device(device)
        encoder, alignment, first = models.load_tri_encoder(folder / "alignment.safetensors")
        autoencoder, latents, second = models.load_autoencoder(folder / "autoencoder.safetensors")
        denoiser, diffusion, third = models.load_denoiser(folder / "denoiser.safetensors")
        models.check_together((alignment, first), latents, third)
        together = "".join(stored.sha256 for stored in (first, second, third))
        return cls(
            encoder=encoder,
            autoencoder=autoencoder,
            denoiser=denoiser,
            alignment=alignment,
            diffusion=diffusion,
            device=chosen,
            weights_sha256=hashlib.sha256(together.encode()).hexdigest(),
        )

    @classmethod
    def untrained(cls, preset: Preset = PRESETS["tiny"], *, device: str = "auto") -> AudioToShape:
        """A system whose shapes mean nothing: everything around it can be tried without weights."""
        torch.manual_seed(0)
        encoder = models.build_tri_encoder(preset.alignment, Vocabulary.default())
        autoencoder = models.build_autoencoder(preset.autoencoder)
        denoiser = models.build_denoiser(
            preset.denoiser,
            num_tokens=preset.autoencoder.num_tokens,
            latent_dim=preset.autoencoder.latent_dim,
            context_dim=preset.alignment.token_dim,
        )
        return cls(
            encoder=encoder.eval(),
            autoencoder=autoencoder.eval(),
            denoiser=denoiser.eval(),
            alignment=preset.alignment,
            diffusion=preset.denoiser,
            device=choose_device(device),
            weights_sha256="random",
        )

    def listen(self, waveform: np.ndarray) -> Heard:
        """Understand a sound: (S,) float32 mono at 16 kHz in [-1, 1]. Of a long one, the loudest stretch counts."""
        return listen(self.encoder, self.alignment, waveform)

    @torch.inference_mode()
    def sample(
        self,
        contexts: torch.Tensor,
        generator: torch.Generator,
        sampling: Sampling,
        on_step: Callable[[int, int, torch.Tensor], None] | None = None,
    ) -> torch.Tensor:
        """Standardised latents (B, T, C) for a batch of contexts (B, L, C'). `on_step` as in generation.diffusion."""
        own = self.diffusion
        return sample(
            self.denoiser,
            contexts,
            (self.autoencoder.encoder.num_tokens, len(self.autoencoder.latent_mean)),
            train_steps=own.train_steps,
            steps=own.sample_steps if sampling.steps is None else sampling.steps,
            guidance=own.guidance if sampling.guidance is None else sampling.guidance,
            guided_share=own.guided_share if sampling.guided_share is None else sampling.guided_share,
            sampler=own.sampler,
            generator=generator,
            on_step=on_step,
        )

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Standardised latents (B, T, C) -> points (B, N, 3) and colors (B, N, 3) in [0, 1], float32."""
        points, colors = self.autoencoder.decode(latents)
        return points.float().cpu().numpy(), colors.float().cpu().numpy()

    def sample_clouds(
        self, contexts: torch.Tensor, generator: torch.Generator, sampling: Sampling = DEFAULTS.sampling
    ) -> tuple[np.ndarray, np.ndarray]:
        """Clouds for a batch of contexts (B, L, C'): points (B, N, 3) and colors (B, N, 3) in [0, 1], float32."""
        return self.decode(self.sample(contexts, generator, sampling))

    @torch.inference_mode()
    def imagine(
        self,
        heard: Heard,
        sampling: Sampling = DEFAULTS.sampling,
        *,
        stopwatch: Stopwatch | None = None,
        on_step: OnStep | None = None,
    ) -> Shape:
        """Draw a shape for what was heard, at an assumed place before an assumed camera."""
        watch = stopwatch or Stopwatch()

        def finished(latents: torch.Tensor) -> Shape:
            points, colors = self.decode(latents)
            points, origin = resize_cloud(points[0], sampling.num_points, np.random.default_rng(sampling.seed))
            shape = Shape(
                points=points,
                colors=np.round(colors[0][origin] * 255).astype(np.uint8),
                confidence=np.float32(heard.confidence) * isolation(points),
                label=heard.label,
                scores=heard.scores,
            )
            return self.place(shape, Camera.default(*ASSUMED_SIZE))

        def follow(step: int, total: int, clean: torch.Tensor) -> None:
            if on_step:
                on_step(Step("diffuse", step, total, lambda: finished(clean)))

        generator = torch.Generator().manual_seed(sampling.seed)
        with watch.stage("diffuse"):
            latents = self.sample(heard.context[None], generator, sampling, follow)
        with watch.stage("decode_shape"):
            shape = finished(latents)
        if on_step:
            on_step(Step("decode_shape", 1, 1, lambda: shape))
        return shape

    def refine(
        self,
        shape: Shape,
        frame: Frame,
        refining: Refining = DEFAULTS.refining,
        *,
        seed: int = 0,
        deadline: float | None = None,
        stopwatch: Stopwatch | None = None,
        on_step: OnStep | None = None,
    ) -> tuple[Shape, Refined]:
        """Fit a coarse shape to a camera frame with 3D Gaussians.

        Returns the refined shape, or the coarse one where the image was not trusted. `deadline` is time.monotonic().
        Raises InputError for an image without anything in it, and for a mask without object or without background.
        """
        from audio2shape_core.looking.foreground import find_foreground  # what only images need is imported with them
        from audio2shape_core.refinement import refine

        watch = stopwatch or Stopwatch()
        if refining.time_budget_s is not None:
            deadline = min(math.inf if deadline is None else deadline, time.monotonic() + refining.time_budget_s)

        def follow(stage: str, step: int, total: int) -> None:
            if on_step:
                on_step(Step(stage, step, total))

        with watch.stage("look"):
            foreground = find_foreground(frame.image, frame.mask)
        fitted = refine(
            shape.points,
            shape.colors,
            frame,
            foreground,
            iterations=refining.iterations,
            deadline=deadline,
            seed=seed,
            device=str(self.device),
            progress=follow,
        )
        for stage, seconds in fitted.seconds.items():
            watch.add(stage, seconds)
        if not fitted.accepted:
            return shape, fitted
        trust = np.float32(max(shape.confidence.max(), 1e-6))  # how sure the label is; the fit adds its own measure
        better = replace(
            shape,
            points=fitted.points,
            colors=fitted.colors,
            confidence=trust * fitted.confidence,
            splats=fitted.gaussians.to_splats(),
        )
        return self.place(better, fitted.camera), fitted

    def generate(
        self,
        waveform: np.ndarray,
        *,
        frame: Frame | None = None,
        settings: Settings = DEFAULTS,
        deadline: float | None = None,
        stopwatch: Stopwatch | None = None,
        on_step: OnStep | None = None,
    ) -> Generation:
        """Listen, imagine and, with a camera frame, refine.

        Arguments:
            waveform: (S,) float32 mono at 16 kHz in [-1, 1].
            deadline: time.monotonic() until which to answer. Refinement stops early to keep it.
            stopwatch: one that has measured what came before, such as decoding; by default, a new one.
            on_step: called at every step of every stage; what it raises stops the run.
        A refinement that fails keeps the coarse shape and says so in the notice.
        Raises DeadlineMissed when the deadline comes before there is a shape, Cancelled if `on_step` does.
        """
        watch = stopwatch or Stopwatch()

        def tell(step: Step) -> None:
            if deadline is not None and step.stage in ("encode", "diffuse") and time.monotonic() > deadline:
                raise DeadlineMissed
            if on_step:
                on_step(step)

        with watch.stage("encode"):
            heard = self.listen(waveform)
        tell(Step("encode", 1, 1))
        known = heard.confidence >= settings.listening.min_confidence
        notices = [] if known else [f"unknown sound, most like {heard.label} (confidence {heard.confidence:.2f})"]
        coarse = self.imagine(heard, settings.sampling, stopwatch=watch, on_step=tell)

        shape, refined, problem = coarse, None, ""
        if frame is not None:
            shape, refined, problem = self._fit_or_say_why(coarse, frame, settings, deadline, watch, tell)
        if problem:
            notices.append(f"image not used: {problem}")
        fitted = frame is not None and not problem
        return Generation(
            shape=shape,
            coarse=coarse,
            heard=heard,
            known=known,
            refined=refined,
            pose_source="assumed" if not fitted else "given" if frame and frame.pose_known else "fitted",
            notice="; ".join(notices),
            timings_ms=watch.timings_ms(),
            seed=settings.sampling.seed,
            device=str(self.device),
            weights_sha256=self.weights_sha256,
        )

    def _fit_or_say_why(
        self, coarse: Shape, frame: Frame, settings: Settings, deadline: float | None, watch: Stopwatch, tell: OnStep
    ) -> tuple[Shape, Refined | None, str]:
        """The refined shape, or the coarse one and why the image was not used; and the fit, if one was tried."""
        if settings.refining.iterations == 0:
            return coarse, None, "refinement is off (0 iterations)"
        if deadline is not None and deadline - time.monotonic() < LEAST_REFINING_S:
            return coarse, None, "no time was left before the deadline"
        try:
            shape, refined = self.refine(
                coarse,
                frame,
                settings.refining,
                seed=settings.sampling.seed,
                deadline=deadline,
                stopwatch=watch,
                on_step=tell,
            )
        except Exception as error:
            if not _leaves_the_shape(error):
                raise
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            return coarse, None, f"{kind}{error}"
        return shape, refined, refined.reason

    def place(self, shape: Shape, camera: Camera) -> Shape:
        """Put a shape before a camera, in metres.

        A single view cannot tell scale, so the usual size of its class does.
        """
        extent = float(np.ptp(shape.points, axis=0).max())
        scale = self.vocabulary.size_m(shape.label) / max(extent, 1e-6)
        matrix = camera.world_to_camera.copy()
        matrix[:3] *= scale
        return replace(shape, camera_from_shape=matrix)


def _leaves_the_shape(error: Exception) -> bool:
    """Whether a failed refinement costs the image alone: on CUDA, for instance, gsplat may be missing.

    It does not after a cancellation, without memory, or when CUDA answers nothing else any more.
    """
    fatal = isinstance(error, (Cancelled, MemoryError, torch.OutOfMemoryError))
    return not fatal and not (isinstance(error, RuntimeError) and "CUDA error" in str(error))
