"""Presets: everything that sizes a model or its training, as frozen data.

A configuration has no default values: `TINY`, which ships, and `PAPER` below say all of it, and so does a checkpoint.
(A field that comes later may have one: then it is what older checkpoints did before there was a choice.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from audio2shape_core.errors import InputError

WIDTH, COUNT, LAYERS = (1, 65_536), (1, 1_000_000), (1, 64)


def check_ranges(values: Mapping[str, object], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Check numbers, and tuples of them for `widths` and `depths`, against their bounds; whole bounds ask for whole
    numbers.

    Raises InputError for the first that does not fit.
    """
    for name, (low, high) in ranges.items():
        value = values[name]
        kinds = (int,) if isinstance(low, int) else (int, float)
        several = name.endswith(("widths", "depths"))
        numbers = value if several and isinstance(value, tuple) else (value,)
        if not 0 < len(numbers) <= 64 or not all(type(x) in kinds and low <= x <= high for x in numbers):
            raise InputError(
                f"{name} is {str(value)[:80]!r}, expected {'whole ' * (kinds == (int,))}numbers {low} to {high}"
            )


@dataclass(frozen=True)
class AlignmentConfig:
    """Kinds and sizes of the three encoders (paper III-A)."""

    audio_encoder: str  # "log_mel": ours; "wav2clip": the paper's, frozen
    image_encoder: str  # "small": ours; "clip": the paper's ViT-B/32, frozen
    sample_rate: int  # Hz
    window_s: float  # seconds of sound that the encoder is shown at once
    num_mels: int
    n_fft: int  # samples
    hop: int  # samples
    audio_widths: tuple[int, ...]  # channels a stage; each stage halves time and frequency
    image_widths: tuple[int, ...]
    image_size: int  # pixels
    point_widths: tuple[int, ...]
    num_tokens: int  # audio tokens along time: one key would make cross-attention a constant
    token_dim: int
    embed_dim: int

    def __post_init__(self) -> None:
        for name, kinds in (("audio_encoder", ("log_mel", "wav2clip")), ("image_encoder", ("small", "clip"))):
            if getattr(self, name) not in kinds:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(kinds)}")
        widths = dict.fromkeys(("audio_widths", "image_widths", "point_widths", "token_dim", "embed_dim"), WIDTH)
        sound = {"sample_rate": (1000, 192_000), "n_fft": (16, 32_768), "hop": (1, 32_768), "num_mels": (4, 1024)}
        check_ranges(
            vars(self), {**widths, **sound, "window_s": (0.1, 60.0), "image_size": (8, 2048), "num_tokens": WIDTH}
        )


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the PC-VQ-VAE (paper III-B, Eqs. 2 and 3)."""

    num_points: int
    num_tokens: int
    latent_dim: int
    num_codebooks: int  # the latent is split into this many parts, each with a codebook of its own
    codebook_size: int
    encoder_widths: tuple[int, ...]
    width: int
    num_heads: int
    encoder_depth: int
    decoder_depth: int

    def __post_init__(self) -> None:
        check_ranges(vars(self), {**dict.fromkeys(vars(self), WIDTH), "encoder_depth": LAYERS, "decoder_depth": LAYERS})
        if self.width % self.num_heads or self.latent_dim % self.num_codebooks or self.num_points % self.num_tokens:
            raise InputError(
                "num_heads must divide width, num_codebooks latent_dim, and num_tokens num_points; here they are "
                f"{self.num_heads}, {self.width}, {self.num_codebooks}, {self.latent_dim}, {self.num_tokens}, "
                f"{self.num_points}"
            )


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the UNet denoiser (paper III-B, Eqs. 4 to 6)."""

    patch: int  # neighbouring latents that enter as one token
    widths: tuple[int, ...]  # one entry a resolution
    depths: tuple[int, ...]  # transformer blocks a resolution
    num_heads: int
    attention: bool  # False is the ablation "without attention" of Table IV
    train_steps: int  # T of Eq. 4
    sampler: str  # "dpm++", "ddim" or "ddpm" (generation.samplers)
    sample_steps: int
    guidance: float  # 1 is none; more than this costs variety
    guided_share: float  # of the noise levels, from the cleanest up: at the noisiest, guidance costs variety most
    condition_dropout: float  # share of training samples that see no audio (classifier-free guidance)

    def __post_init__(self) -> None:
        sizes = {"patch": WIDTH, "widths": WIDTH, "depths": LAYERS, "num_heads": WIDTH, "train_steps": COUNT}
        shares = dict.fromkeys(("guided_share", "condition_dropout"), (0.0, 1.0))
        check_ranges(vars(self), {**sizes, **shares, "sample_steps": (1, 1000), "guidance": (0.0, 100.0)})
        if self.sampler not in ("dpm++", "ddim", "ddpm"):
            raise InputError(f"sampler is {str(self.sampler)[:80]!r}, expected one of dpm++, ddim, ddpm")
        if type(self.attention) is not bool or len(self.widths) != len(self.depths):
            raise InputError("attention must be true or false, and widths and depths as many; they are not")
        if any(width % self.num_heads for width in self.widths):
            raise InputError(f"num_heads is {self.num_heads}, expected a divisor of every width of {self.widths}")


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes of the independent classifier of point clouds, with which generated shapes are measured."""

    widths: tuple[int, ...]
    num_points: int

    def __post_init__(self) -> None:
        check_ranges(vars(self), dict.fromkeys(vars(self), WIDTH))


@dataclass(frozen=True)
class Optimization:
    """One run of the training loop: AdamW, its length and its batch."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int = 200
    ema_decay: float = 0.999
    clip_norm: float = 1.0


@dataclass(frozen=True)
class MadeItems:
    """How many made items stand in for missing ones, or beside real ones, a class (`data.completion`)."""

    sounds: int = 140  # synthesised clips of a class without recordings
    decoys: int = 15  # and of every other class, so that "synthesised" is not the mark of one class,
    decoy_share: float = 0.1  # at this share of its draws
    shapes: int = 120  # procedural shapes
    renders: int = 400  # pictures rendered from shapes, beside the photographs
    seconds: float = 4.0  # length of a synthesised clip


@dataclass(frozen=True)
class AlignRecipe:
    """Alignment in its three steps: audio with images, the image encoder alone, then the points."""

    audio_visual: Optimization
    images: Optimization
    points: Optimization
    crop_s: float = 3.0  # shorter than what inference hears: cheaper, and every epoch cuts a clip elsewhere
    blends: float = 0.5  # share of a batch's sounds that are two classes at once: a strong regulariser on few clips
    num_points: int = 512
    canonical: float = 0.7  # share of the shapes shown in canonical pose; the others stand at any heading
    teacher_views: int = 3  # augmented views of every recording whose embeddings are cached
    teacher_pictures: int = 200  # and augmented pictures of every class


@dataclass(frozen=True)
class AutoencodeRecipe:
    """The PC-VQ-VAE."""

    optimization: Optimization
    turn: float = 0.35  # radians of heading either way: the canonical pose is nearly kept, so latents are easy to model
    measured: int = 24  # batches of latents whose mean and deviation standardise them


@dataclass(frozen=True)
class DiffuseRecipe:
    """The denoiser. Its shapes are stretched less than elsewhere: it learns what they look like."""

    optimization: Optimization
    views: int = 4  # augmented cuts of every recording whose contexts are kept
    latents: int = 1000  # augmented shapes of a class whose latents are kept
    turn: float = 0.02  # radians
    stretch: float = 1.04


@dataclass(frozen=True)
class JudgeRecipe:
    """The independent classifier."""

    optimization: Optimization


@dataclass(frozen=True)
class Preset:
    """A whole system: the sizes of its models and the recipes that train them."""

    alignment: AlignmentConfig
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    judging: JudgeConfig
    align: AlignRecipe
    autoencode: AutoencodeRecipe
    diffuse: DiffuseRecipe
    judge: JudgeRecipe
    made: MadeItems = MadeItems()

    def with_changes(self, task: str, **changes: int) -> "Preset":
        """The same preset with `steps` or `batch_size` of a recipe changed; of `align`, in each of its three steps."""
        recipe = getattr(self, task)
        runs = {name: run for name, run in vars(recipe).items() if isinstance(run, Optimization)}
        changed = {name: replace(run, **changes) for name, run in runs.items()}
        return replace(self, **{task: replace(recipe, **changed)})


# An epoch of the paper, in samples. Its data is not published; ours has about as many training clips and shapes, and
# the loop draws class-balanced batches, for which only the number of steps means anything.
EPOCH = 2500


def steps_of(epochs: int, batch_size: int) -> int:
    """Training steps of so many epochs: paper IV-A counts in those."""
    return epochs * -(-EPOCH // batch_size)


TINY = Preset(
    alignment=AlignmentConfig(
        audio_encoder="log_mel",
        image_encoder="small",
        sample_rate=16_000,
        window_s=4.0,
        num_mels=64,
        n_fft=1024,  # 64 ms: long enough to tell neighbouring semitones above 200 Hz apart
        hop=320,  # 20 ms
        audio_widths=(32, 64, 128, 256),
        image_widths=(24, 48, 96, 192),
        image_size=64,
        point_widths=(64, 128, 256),
        num_tokens=8,
        token_dim=256,
        embed_dim=512,
    ),
    autoencoder=AutoencoderConfig(
        num_points=2048,
        num_tokens=128,  # of 16 points each: few enough for one latent to place
        latent_dim=32,
        num_codebooks=4,
        codebook_size=512,
        encoder_widths=(64, 128),
        width=224,
        num_heads=7,
        encoder_depth=2,
        decoder_depth=4,
    ),
    denoiser=DenoiserConfig(
        patch=2,
        widths=(128, 192, 256),  # of 64, 32, 16 tokens
        depths=(1, 1, 2),
        num_heads=4,
        attention=True,
        train_steps=1000,
        sampler="dpm++",
        sample_steps=20,
        guidance=2.0,
        guided_share=0.85,
        condition_dropout=0.1,
    ),
    judging=JudgeConfig(widths=(64, 128, 256), num_points=1024),
    align=AlignRecipe(
        audio_visual=Optimization(4500, 64, 1.5e-3, 2e-2, ema_decay=0.99),
        images=Optimization(4000, 96, 1e-3, 2e-2),
        points=Optimization(4000, 64, 1e-3, 1e-2),
    ),
    autoencode=AutoencodeRecipe(Optimization(2300, 32, 1e-3, 1e-4)),
    diffuse=DiffuseRecipe(Optimization(17_000, 64, 8e-4, 1e-2, ema_decay=0.9995)),
    judge=JudgeRecipe(Optimization(1500, 64, 1e-3, 1e-2)),
)

# The paper's own system, for a GPU (IV-A): frozen encoders, latents of 2048 x 512 in two codebooks of dimension 256, a
# denoiser of about 150 M parameters. Where the paper is silent (widths, depths, the VAE's batch and rate) the choice
# is ours. With both teachers frozen, `align` only places the class anchors between them, and trains the points.
PAPER = Preset(
    alignment=replace(
        TINY.alignment,
        audio_encoder="wav2clip",
        image_encoder="clip",
        image_size=224,
        token_dim=512,
        point_widths=(128, 256, 512),
    ),
    autoencoder=AutoencoderConfig(
        num_points=2048,
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
    denoiser=replace(TINY.denoiser, patch=1, widths=(512, 640, 768), depths=(1, 2, 2), num_heads=8),
    judging=JudgeConfig(widths=(128, 256, 512), num_points=1024),
    align=AlignRecipe(
        audio_visual=Optimization(steps_of(20, 64), 64, 5e-4, 1e-4),
        images=TINY.align.images,  # only where the image encoder is not frozen
        points=Optimization(steps_of(100, 64), 64, 5e-4, 1e-4),
    ),
    autoencode=AutoencodeRecipe(Optimization(steps_of(200, 16), 16, 5e-4, 1e-4)),
    diffuse=DiffuseRecipe(Optimization(steps_of(200, 16), 16, 1e-4, 1e-2)),
    judge=JudgeRecipe(Optimization(steps_of(100, 64), 64, 5e-4, 1e-4)),
)

PRESETS = {"tiny": TINY, "paper": PAPER}
