"""The paper's preset: what it is made of, without the memory to hold it; and checkpoints of other versions."""

import dataclasses

import pytest
import torch

from audio2shape_core import checkpoint, models
from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.cli.main import main
from audio2shape_core.errors import InputError
from audio2shape_core.presets import PRESETS, AlignmentConfig, DenoiserConfig

PAPER = PRESETS["paper"]


def millions(module):
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_the_papers_generator_has_its_sizes():
    sizes = PAPER.autoencoder
    with torch.device("meta"):
        autoencoder = models.build_autoencoder(sizes).eval()
        denoiser = models.build_denoiser(
            PAPER.denoiser,
            num_tokens=sizes.num_tokens,
            latent_dim=sizes.latent_dim,
            context_dim=PAPER.alignment.token_dim,
        )
        latents = autoencoder.encode(torch.zeros(2, 2048, 3))
        points, colors = autoencoder.decoder(latents)
        velocity = denoiser(latents, torch.zeros(2), torch.zeros(2, 56, 512), torch.ones(2, dtype=torch.bool))
    assert latents.shape == velocity.shape == (2, 2048, 512)
    assert points.shape == colors.shape == (2, 2048, 3)
    (codes,) = (t for name, t in autoencoder.state_dict().items() if name.endswith(".codes"))
    assert codes.shape[-1] == 256  # the codebook's dimension
    assert 145 < millions(denoiser) < 155
    assert min(PAPER.denoiser.widths) >= sizes.latent_dim  # noise cannot pass through fewer channels than it has


def test_the_papers_encoders_meet_in_one_space():
    pytest.importorskip(
        "wav2clip", reason="the paper's encoders come with the teachers extra", exc_type=(ImportError, OSError)
    )
    pytest.importorskip("open_clip", reason="the paper's encoders come with the teachers extra")
    with torch.device("meta"):
        model = models.build_tri_encoder(PAPER.alignment, ("dog", "cat"), pretrained=False)
        embedding, tokens = model.audio(torch.zeros(2, 64_000))
        others = model.image(torch.zeros(2, 3, 224, 224)), model.point(torch.zeros(2, 512, 3))
        context = model.context(embedding, tokens)
    assert embedding.shape == others[0].shape == others[1].shape == (2, 512)
    assert context.shape == (2, 54 + 2, PAPER.alignment.token_dim)
    assert 11 < millions(model.audio) < 12
    assert 87 < millions(model.image) < 89


@pytest.mark.parametrize(
    ("recipe", "rate", "decay", "batch", "epochs"), [("distill", 5e-4, 1e-4, 64, 100), ("diffuse", 1e-4, 1e-2, 16, 200)]
)
def test_the_papers_recipes_are_its_own(recipe, rate, decay, batch, epochs):
    recipe = getattr(PAPER, recipe)
    assert (recipe.learning_rate, recipe.weight_decay, recipe.batch_size) == (rate, decay, batch)
    assert recipe.steps * batch == pytest.approx(epochs * 2500, rel=0.03)


@pytest.mark.parametrize("tokens", [16, 64, 128, 256])
def test_any_number_of_tokens_gives_all_points(tokens):
    config = dataclasses.replace(
        PRESETS["tiny"].autoencoder, num_points=256, num_tokens=tokens, width=24, num_heads=2, encoder_widths=(8, 16)
    )
    points, _ = models.build_autoencoder(config).decoder(torch.zeros(1, tokens, config.latent_dim))
    assert points.shape == (1, 256, 3)


def test_training_without_the_frozen_weights_is_refused_before_work(tmp_path, capsys):
    argv = ["train", "align", "--preset", "paper", "--data", str(tmp_path / "none"), "--output", str(tmp_path / "out")]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Wav2CLIP.pt" in error
    assert "audio2shape pretrained DIR" in error
    assert not (tmp_path / "out").exists()


def test_what_an_older_checkpoint_does_not_say_takes_its_default():
    stored = {"window_s": 2.0, "audio_widths": [4, 8]}
    config = models.read_config(AlignmentConfig, stored)
    assert config == AlignmentConfig(window_s=2.0, audio_widths=(4, 8))
    assert config.audio_encoder == "log_mel"


def test_what_only_a_newer_checkpoint_knows_is_refused():
    with pytest.raises(InputError, match=r"another version.*\(colour unknown\)"):
        models.read_config(DenoiserConfig, {"colour": 3})


def test_an_unknown_encoder_is_refused():
    with pytest.raises(InputError, match="audio_encoder is 'ears', expected one of log_mel, wav2clip"):
        AlignmentConfig(audio_encoder="ears")


@pytest.mark.skipif(
    not (WEIGHTS / "alignment.safetensors").is_file(), reason="the shipped weights are not in this checkout"
)
def test_the_shipped_weights_still_load():
    stored = checkpoint.load(WEIGHTS / "alignment.safetensors", "alignment")
    model, config, _ = models.load_tri_encoder(WEIGHTS / "alignment.safetensors")
    assert (config.audio_encoder, config.image_encoder) == ("log_mel", "small")
    assert torch.equal(model.anchor_table, stored.tensors["anchor_table"])
    models.load_autoencoder(WEIGHTS / "autoencoder.safetensors")
    models.load_denoiser(WEIGHTS / "denoiser.safetensors")
