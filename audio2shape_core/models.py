"""The one place where configurations become modules, and checkpoints become trained modules."""

import math
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from audio2shape_core import checkpoint
from audio2shape_core.alignment.clip_encoder import build_clip
from audio2shape_core.alignment.encoders import (
    AudioEncoder,
    ImageEncoder,
    LogMel,
    LogMelEncoder,
    PointNetEncoder,
    SmallImageEncoder,
)
from audio2shape_core.alignment.familiarity import Familiarity
from audio2shape_core.alignment.pretrained import CLIP, WAV2CLIP, find
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.alignment.wav2clip_encoder import build_wav2clip
from audio2shape_core.errors import InputError
from audio2shape_core.generation.bottlenecks import GaussianBottleneck, VectorQuantizer
from audio2shape_core.generation.denoiser import DenoiserBlock, PlainBlock, Stage, UNetDenoiser
from audio2shape_core.generation.vqvae import (
    WITHIN,
    CloudDecoder,
    CloudEncoder,
    PointCloudVQVAE,
    Upsample,
    attention_stack,
)
from audio2shape_core.layers import PointFeatures
from audio2shape_core.presets import AlignmentConfig, AutoencoderConfig, DenoiserConfig, JudgeConfig, check_ranges
from audio2shape_core.vocabulary import Vocabulary

Config = TypeVar("Config", AlignmentConfig, AutoencoderConfig, DenoiserConfig, JudgeConfig)
Model = TypeVar("Model", bound=nn.Module)


class Scale(nn.Module):
    """Multiply by a constant: unit embeddings are too small for a linear layer to tell classes apart quickly."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def build_point_encoder(widths: tuple[int, ...], embed_dim: int) -> PointNetEncoder:
    return PointNetEncoder(features=PointFeatures(widths=widths), width=widths[-1], embed_dim=embed_dim)


def build_judge(config: JudgeConfig, num_classes: int) -> nn.Sequential:
    """The independent classifier of point clouds (B, N, 3): class logits (B, K). It shares nothing with alignment."""
    return nn.Sequential(build_point_encoder(config.widths, 256), Scale(16.0), nn.Linear(256, num_classes))


def build_audio_encoder(config: AlignmentConfig, *, pretrained: str | None) -> AudioEncoder:
    """The audio encoder that a configuration asks for; `pretrained` as in `build_tri_encoder`."""
    if config.audio_encoder == "wav2clip":
        return build_wav2clip(None if pretrained is None else find(pretrained, WAV2CLIP))
    log_mel = LogMel(sample_rate=config.sample_rate, n_fft=config.n_fft, hop=config.hop, num_mels=config.num_mels)
    return LogMelEncoder(
        log_mel=log_mel,
        widths=config.audio_widths,
        num_tokens=config.num_tokens,
        token_dim=config.token_dim,
        embed_dim=config.embed_dim,
    )


def build_image_encoder(config: AlignmentConfig, *, pretrained: str | None) -> ImageEncoder:
    """The image encoder that a configuration asks for; `pretrained` as in `build_tri_encoder`."""
    if config.image_encoder == "clip":
        return build_clip(None if pretrained is None else find(pretrained, CLIP))
    return SmallImageEncoder(widths=config.image_widths, embed_dim=config.embed_dim)


def build_tri_encoder(
    config: AlignmentConfig, vocabulary: Vocabulary, *, pretrained: str | None = None, num_references: int = 0
) -> TriEncoder:
    """The three encoders, an anchor for every class of the vocabulary, and room for the signatures of `num_references`
    training recordings.

    `pretrained` is the folder with the weights of frozen encoders. None leaves those encoders without weights, on the
    meta device, for a checkpoint to bring them. Raises InputError where weights are asked for and not there.
    """
    return TriEncoder(
        audio=build_audio_encoder(config, pretrained=pretrained),
        image=build_image_encoder(config, pretrained=pretrained),
        point=build_point_encoder(config.point_widths, config.embed_dim),
        familiarity=Familiarity(2 * config.token_dim, num_references),
        embed_dim=config.embed_dim,
        vocabulary=vocabulary,
    )


def build_autoencoder(config: AutoencoderConfig, *, quantized: bool = True) -> PointCloudVQVAE:
    """The PC-VQ-VAE, or with `quantized=False` the PC-VAE it is compared with (paper Table II)."""
    c = config
    encoder = CloudEncoder(
        features=PointFeatures(widths=c.encoder_widths, num_extra=WITHIN),
        feature_width=c.encoder_widths[-1],
        width=c.width,
        blocks=attention_stack(c.width, c.num_heads, c.encoder_depth),
        num_tokens=c.num_tokens,
        latent_dim=c.latent_dim if quantized else 2 * c.latent_dim,
    )
    # Tokens double twice on the way to points, or less often where they are nearly as many as the points.
    per_token = c.num_points // c.num_tokens
    doublings = [(c.width, c.width), (c.width, c.width // 2)][: per_token.bit_length() - 1]
    decoder = CloudDecoder(
        blocks=attention_stack(c.width, c.num_heads, c.decoder_depth),
        width=c.width,
        num_tokens=c.num_tokens,
        upsampling=nn.Sequential(*(Upsample(i, o, 2) for i, o in doublings)),
        head_width=doublings[-1][1] if doublings else c.width,
        points_per_token=per_token >> len(doublings),
        latent_dim=c.latent_dim,
    )
    bottleneck: nn.Module
    if quantized:
        bottleneck = VectorQuantizer(
            num_codebooks=c.num_codebooks, codebook_size=c.codebook_size, latent_dim=c.latent_dim
        )
    else:
        bottleneck = GaussianBottleneck(c.num_codebooks * math.log(c.codebook_size))
    return PointCloudVQVAE(encoder=encoder, bottleneck=bottleneck, decoder=decoder, latent_dim=c.latent_dim)


def build_denoiser(config: DenoiserConfig, *, num_tokens: int, latent_dim: int, context_dim: int) -> UNetDenoiser:
    widths = config.widths

    def block(width: int) -> nn.Module:
        if config.attention:
            return DenoiserBlock(width, config.num_heads, context_dim, 4 * widths[0])
        return PlainBlock(width, context_dim, 4 * widths[0])

    def stage(width: int, depth: int) -> Stage:
        return Stage(block(width) for _ in range(depth))

    outer = list(zip(widths[:-1], config.depths[:-1]))
    denoiser = UNetDenoiser(
        down=nn.ModuleList(stage(w, d) for w, d in outer),
        middle=stage(widths[-1], config.depths[-1]),
        up=nn.ModuleList(stage(w, d) for w, d in outer),
        widths=widths,
        patch=config.patch,
        num_tokens=num_tokens,
        latent_dim=latent_dim,
        context_dim=context_dim,
    )
    denoiser.start_silent()
    return denoiser


def read_config(cls: type[Config], path: Path, stored: dict[str, Any]) -> Config:
    """A frozen configuration from a checkpoint's JSON, whose lists were tuples.

    Raises InputError where a field is missing that has no default, unknown, or out of range.
    """
    names = {field.name for field in fields(cls)}
    needed = {field.name for field in fields(cls) if field.default is MISSING}
    for wrong, what in ((set(stored) - names, "unknown"), (needed - set(stored), "missing")):
        if wrong:
            raise InputError(
                f"{path} was made by another version of audio2shape ({', '.join(sorted(wrong))[:200]} {what}); "
                "expected one of this version: update audio2shape, or retrain"
            )
    try:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return cls(**values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


class Uninitialized(TorchFunctionMode):
    """Modules built under this mode leave out their random initial values: a checkpoint brings others.

    That saves most of the time, and the memory of sizes that turn out to be wrong.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init" or getattr(func, "__name__", "") in (
            "uniform_",
            "normal_",
        ):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def fits_in(given: Tensor, own: Tensor) -> bool:
    """Whether a stored tensor can take the place of a module's: upstream's counters are stored as fractions, too."""
    return given.shape == own.shape and (given.is_floating_point() or not own.is_floating_point())


def filled(path: Path, tensors: dict[str, Tensor], build: Callable[[], Model]) -> Model:
    """A module with the tensors of a checkpoint, in eval mode.

    Raises InputError where tensors are missing, too many, or of other shapes or types.
    """
    try:
        with Uninitialized():
            model = build()
        own = model.state_dict()
        fits = {name for name, t in tensors.items() if name in own and fits_in(t, own[name])}
        if wrong := sorted({*own, *tensors} - fits):
            raise ValueError(f"{wrong[0][:80]!r} is missing, too many, or of another shape or type")
        model.load_state_dict(tensors, assign=True)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, AssertionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path}: its tensors are not those of its configuration ({reason}); restore or retrain it"
        ) from error
    return model.eval()


def load_tri_encoder(path: Path) -> tuple[TriEncoder, AlignmentConfig, checkpoint.Checkpoint]:
    """The aligned encoders. Raises InputError as `checkpoint.load`, `read_config` and `filled`."""
    stored = checkpoint.load(path, "alignment")
    config = read_config(AlignmentConfig, path, stored.config)
    references = stored.tensors.get("familiarity.references")
    if references is None or references.ndim != 2:
        raise InputError(f"{path} does not know which sounds it was taught; expected one of this version: retrain it")
    model = filled(
        path, stored.tensors, lambda: build_tri_encoder(config, stored.vocabulary, num_references=len(references))
    )
    return model, config, stored


def load_autoencoder(path: Path) -> tuple[PointCloudVQVAE, AutoencoderConfig, checkpoint.Checkpoint]:
    """The PC-VQ-VAE, or the PC-VAE where it was trained without codebook. Raises InputError as `load_tri_encoder`."""
    stored = checkpoint.load(path, "autoencoder")
    config = read_config(AutoencoderConfig, path, stored.config)
    quantized = stored.info.get("quantized") is not False
    return filled(path, stored.tensors, lambda: build_autoencoder(config, quantized=quantized)), config, stored


def load_denoiser(path: Path) -> tuple[UNetDenoiser, DenoiserConfig, checkpoint.Checkpoint]:
    """The denoiser; `info["sizes"]` of its checkpoint says which latents and contexts it was trained on.

    Raises InputError as `load_tri_encoder`.
    """
    stored = checkpoint.load(path, "denoiser")
    config = read_config(DenoiserConfig, path, stored.config)
    sizes = stored.info.get("sizes")
    if not isinstance(sizes, dict) or set(sizes) != {"num_tokens", "latent_dim", "context_dim"}:
        raise InputError(f"{path} does not say which latents it was trained on; expected one of this version: retrain")
    check_ranges(sizes, dict.fromkeys(sizes, (1, 65_536)))
    return filled(path, stored.tensors, lambda: build_denoiser(config, **sizes)), config, stored


def load_judge(path: Path) -> tuple[nn.Module, JudgeConfig, Vocabulary]:
    """The classifier of point clouds, whose logits follow the vocabulary's names. Raises InputError as
    `load_tri_encoder`."""
    stored = checkpoint.load(path, "judge")
    config = read_config(JudgeConfig, path, stored.config)
    model = filled(path, stored.tensors, lambda: build_judge(config, len(stored.vocabulary.names)))
    return model, config, stored.vocabulary


def check_together(
    alignment: tuple[AlignmentConfig, checkpoint.Checkpoint],
    autoencoder: AutoencoderConfig,
    denoiser: checkpoint.Checkpoint,
) -> None:
    """Raise InputError where a denoiser was not trained for these latents, these contexts or these classes."""
    config, encoder = alignment
    made_for = {
        "num_tokens": autoencoder.num_tokens,
        "latent_dim": autoencoder.latent_dim,
        "context_dim": config.token_dim,
    }
    if denoiser.info["sizes"] != made_for:
        raise InputError(
            f"the denoiser was trained for {denoiser.info['sizes']}, the other weights are {made_for}; retrain"
        )
    if strangers := [name for name in encoder.vocabulary.names if name not in denoiser.vocabulary.names]:
        raise InputError(
            f"the denoiser was not trained on {', '.join(strangers)}, which the encoders name; "
            "expected weights of one vocabulary: run `audio2shape train diffuse` again"
        )
