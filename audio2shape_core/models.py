"""The one place where configurations become modules, and checkpoints become trained modules."""

import math
from dataclasses import fields
from pathlib import Path

from torch import Tensor, nn

from audio2shape_core import checkpoint
from audio2shape_core.alignment.audio_encoder import AudioEncoder, LogMel, LogMelEncoder
from audio2shape_core.alignment.clip_encoder import build_clip
from audio2shape_core.alignment.familiarity import Familiarity
from audio2shape_core.alignment.image_encoder import ImageEncoder, SmallImageEncoder
from audio2shape_core.alignment.point_encoder import PointFeatures, PointNetEncoder
from audio2shape_core.alignment.pretrained import CLIP, WAV2CLIP, find
from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.alignment.wav2clip_encoder import build_wav2clip
from audio2shape_core.errors import InputError
from audio2shape_core.generation.denoiser import DenoiserBlock, PlainBlock, Stage, UNetDenoiser
from audio2shape_core.generation.gaussian_bottleneck import GaussianBottleneck
from audio2shape_core.generation.quantizer import VectorQuantizer
from audio2shape_core.generation.vqvae import (
    WITHIN,
    CloudDecoder,
    CloudEncoder,
    PointCloudVQVAE,
    Upsample,
    attention_stack,
)
from audio2shape_core.presets import AlignmentConfig, AutoencoderConfig, DenoiserConfig


class Scale(nn.Module):
    """Multiply by a constant: unit embeddings are too small for a linear layer to tell classes apart quickly."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def build_point_encoder(widths: tuple[int, ...], embed_dim: int) -> PointNetEncoder:
    return PointNetEncoder(features=PointFeatures(widths=widths), width=widths[-1], embed_dim=embed_dim)


def build_judge(widths: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The independent classifier of point clouds (B, N, 3): class logits (B, K). It shares nothing with alignment."""
    return nn.Sequential(build_point_encoder(widths, 256), Scale(16.0), nn.Linear(256, num_classes))


def build_audio_encoder(config: AlignmentConfig, *, pretrained: bool) -> AudioEncoder:
    if config.audio_encoder == "wav2clip":
        return build_wav2clip(find(config.pretrained, WAV2CLIP) if pretrained else None)
    log_mel = LogMel(sample_rate=config.sample_rate, n_fft=config.n_fft, hop=config.hop, num_mels=config.num_mels)
    return LogMelEncoder(
        log_mel=log_mel,
        widths=config.audio_widths,
        num_tokens=config.num_tokens,
        token_dim=config.token_dim,
        embed_dim=config.embed_dim,
    )


def build_image_encoder(config: AlignmentConfig, *, pretrained: bool) -> ImageEncoder:
    if config.image_encoder == "clip":
        return build_clip(find(config.pretrained, CLIP) if pretrained else None)
    return SmallImageEncoder(widths=config.image_widths, embed_dim=config.embed_dim)


def build_tri_encoder(
    config: AlignmentConfig, classes: tuple[str, ...], *, pretrained: bool = True, num_references: int = 0
) -> TriEncoder:
    """The three encoders, their class anchors, and room for the signatures of `num_references` training recordings.

    `pretrained=False` leaves frozen encoders without weights, on the meta device, for a checkpoint to bring them.
    Raises InputError where those weights are asked for and not there.
    """
    return TriEncoder(
        audio=build_audio_encoder(config, pretrained=pretrained),
        image=build_image_encoder(config, pretrained=pretrained),
        point=build_point_encoder(config.point_widths, config.embed_dim),
        familiarity=Familiarity(2 * config.token_dim, num_references),
        embed_dim=config.embed_dim,
        classes=classes,
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
    return UNetDenoiser(
        down=nn.ModuleList(stage(w, d) for w, d in outer),
        middle=stage(widths[-1], config.depths[-1]),
        up=nn.ModuleList(stage(w, d) for w, d in outer),
        widths=widths,
        patch=config.patch,
        num_tokens=num_tokens,
        latent_dim=latent_dim,
        context_dim=context_dim,
    )


def read_config(cls, stored: dict):
    """A frozen configuration from JSON, whose lists were tuples.

    What an older checkpoint did not know yet takes its default. Raises InputError for what only a newer one knows.
    """
    unknown = set(stored) - {field.name for field in fields(cls)}
    if unknown:
        raise InputError(
            f"the checkpoint was made by another version of audio2shape ({', '.join(sorted(unknown))} unknown); "
            "expected one of this version: update audio2shape, or retrain"
        )
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})


def load_tri_encoder(path: Path) -> tuple[TriEncoder, AlignmentConfig, checkpoint.Checkpoint]:
    stored = checkpoint.load(path, "alignment")
    config = read_config(AlignmentConfig, stored.config)
    if "familiarity.references" not in stored.tensors:
        raise InputError(f"{path} does not know which sounds it was taught; expected one of this version: retrain it")
    model = build_tri_encoder(
        config,
        tuple(stored.info["classes"]),
        pretrained=False,
        num_references=len(stored.tensors["familiarity.references"]),
    )
    model.load_state_dict(stored.tensors, assign=True)
    return model.eval(), config, stored


def load_autoencoder(path: Path) -> tuple[PointCloudVQVAE, AutoencoderConfig, checkpoint.Checkpoint]:
    stored = checkpoint.load(path, "autoencoder")
    config = read_config(AutoencoderConfig, stored.config)
    model = build_autoencoder(config, quantized=stored.info["quantized"])
    model.load_state_dict(stored.tensors)
    return model.eval(), config, stored


def load_denoiser(path: Path) -> tuple[UNetDenoiser, DenoiserConfig, checkpoint.Checkpoint]:
    stored = checkpoint.load(path, "denoiser")
    config = read_config(DenoiserConfig, stored.config)
    model = build_denoiser(config, **stored.info["sizes"])
    model.load_state_dict(stored.tensors)
    return model.eval(), config, stored


def load_judge(path: Path) -> tuple[nn.Module, tuple[str, ...]]:
    stored = checkpoint.load(path, "judge")
    classes = tuple(stored.info["classes"])
    model = build_judge(tuple(stored.info["widths"]), len(classes))
    model.load_state_dict(stored.tensors)
    return model.eval(), classes
