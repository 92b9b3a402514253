"""Presets: everything that sizes a model or its training, as frozen data (DESIGN section 3)."""

from dataclasses import asdict, dataclass, field, replace

from audio2shape_core.errors import InputError


@dataclass(frozen=True)
class AlignmentConfig:
    """Kinds and sizes of the three encoders (paper III-A)."""

    audio_encoder: str = "log_mel"  # ours, or "wav2clip": the paper's, frozen
    image_encoder: str = "small"  # ours, or "clip": the paper's ViT-B/32, frozen
    pretrained: str = ""  # folder of the frozen encoders' weights; training needs it, checkpoints carry what it held
    sample_rate: int = 16_000  # Hz
    window_s: float = 4.0  # length of sound the encoder is shown
    num_mels: int = 64
    n_fft: int = 1024  # 64 ms: long enough to tell neighbouring semitones above 200 Hz apart
    hop: int = 320  # 20 ms
    audio_widths: tuple[int, ...] = (32, 64, 128, 256)  # channels a stage; each stage halves time and frequency
    image_widths: tuple[int, ...] = (24, 48, 96, 192)
    image_size: int = 64  # pixels
    point_widths: tuple[int, ...] = (64, 128, 256)
    num_tokens: int = 8  # audio tokens along time: one key would make cross-attention a constant
    token_dim: int = 256
    embed_dim: int = 512

    def __post_init__(self) -> None:
        for name, kinds in (("audio_encoder", ("log_mel", "wav2clip")), ("image_encoder", ("small", "clip"))):
            if getattr(self, name) not in kinds:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(kinds)}")


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the PC-VQ-VAE (paper III-B, Eqs. 2 and 3)."""

    num_points: int = 2048
    num_tokens: int = 128  # of 16 points each: few enough for one latent to place
    latent_dim: int = 32
    num_codebooks: int = 4  # the latent is split into this many parts, each with a codebook of its own
    codebook_size: int = 512
    encoder_widths: tuple[int, ...] = (64, 128)
    width: int = 224
    num_heads: int = 7
    encoder_depth: int = 2
    decoder_depth: int = 4


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the UNet denoiser (paper III-B, Eqs. 4 to 6)."""

    patch: int = 2  # neighbouring latents that enter as one token
    widths: tuple[int, ...] = (128, 192, 256)  # one entry a resolution: 64, 32, 16 tokens
    depths: tuple[int, ...] = (1, 1, 2)  # transformer blocks a resolution
    num_heads: int = 4
    attention: bool = True  # False is the ablation "without attention" of Table IV
    train_steps: int = 1000  # T of Eq. 4
    sampler: str = "dpm++"  # or "ddim", "ddpm" (generation.samplers)
    sample_steps: int = 20
    guidance: float = 2.0  # 1 is none; more than this costs variety
    guided_share: float = 0.85  # of the noise levels, from the cleanest up: at the noisiest it costs variety most
    condition_dropout: float = 0.1  # share of training samples that see no audio (classifier-free guidance)


@dataclass(frozen=True)
class TrainingConfig:
    """One training recipe: optimiser, length, batch."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int = 200
    ema_decay: float = 0.999
    clip_norm: float = 1.0


@dataclass(frozen=True)
class Preset:
    """A whole system: the sizes of its models and the recipes that train them."""

    name: str
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    align: TrainingConfig = TrainingConfig(4500, 64, 1.5e-3, 2e-2, ema_decay=0.99)
    look: TrainingConfig = TrainingConfig(4000, 96, 1e-3, 2e-2)
    distill: TrainingConfig = TrainingConfig(4000, 64, 1e-3, 1e-2)
    autoencode: TrainingConfig = TrainingConfig(2300, 32, 1e-3, 1e-4)
    diffuse: TrainingConfig = TrainingConfig(17_000, 64, 8e-4, 1e-2, ema_decay=0.9995)
    judge: TrainingConfig = TrainingConfig(1500, 64, 1e-3, 1e-2)

    def to_dict(self) -> dict:
        """The preset as plain JSON-able data, as checkpoints carry it: without where pretrained weights were."""
        stored = asdict(self)
        del stored["alignment"]["pretrained"]
        return stored

    def with_recipe(self, task: str, **changes: int) -> "Preset":
        """The same preset with fields of one training recipe changed."""
        return replace(self, **{task: replace(getattr(self, task), **changes)})

    def with_pretrained(self, folder: str) -> "Preset":
        """The same preset, taking the weights of frozen encoders from `folder`."""
        return replace(self, alignment=replace(self.alignment, pretrained=folder))


# An epoch of the paper, in samples. Its data is not published; ours has about as many training clips and shapes, and
# the loop draws class-balanced batches, for which only the number of steps means anything.
EPOCH = 2500


def steps_of(epochs: int, batch_size: int) -> int:
    """Training steps of so many epochs: paper IV-A counts in those."""
    return epochs * -(-EPOCH // batch_size)


# The paper's own system, for a GPU (IV-A): frozen encoders, latents of 2048 x 512 in two codebooks of dimension 256, a
# denoiser of about 150 M parameters. Where the paper is silent (widths, depths, the VAE's batch and rate) the choice
# is ours. With both teachers frozen, `align` only places the class anchors between them; `distill` trains the points.
PAPER = Preset(
    "paper",
    alignment=AlignmentConfig(
        audio_encoder="wav2clip", image_encoder="clip", image_size=224, token_dim=512, point_widths=(128, 256, 512)
    ),
    autoencoder=AutoencoderConfig(
        num_tokens=2048,
        latent_dim=512,
        num_codebooks=2,
        codebook_size=1024,
        encoder_widths=(128, 256, 512),
        width=512,
        num_heads=8,
        encoder_depth=4,
        decoder_depth=6,
    ),
    # No width below the latent's 512: noise, which velocity holds, cannot pass through fewer channels than it has.
    denoiser=DenoiserConfig(patch=1, widths=(512, 640, 768), depths=(1, 2, 2), num_heads=8),
    align=TrainingConfig(steps_of(20, 64), 64, 5e-4, 1e-4),
    distill=TrainingConfig(steps_of(100, 64), 64, 5e-4, 1e-4),
    autoencode=TrainingConfig(steps_of(200, 16), 16, 5e-4, 1e-4),
    diffuse=TrainingConfig(steps_of(200, 16), 16, 1e-4, 1e-2),
    judge=TrainingConfig(steps_of(100, 64), 64, 5e-4, 1e-4),
)

PRESETS = {"tiny": Preset("tiny"), "paper": PAPER}
