"""The paper's preset: what it is made of, without the memory to hold it; and checkpoints of other versions."""

import dataclasses
import json

import pytest
import torch

from audio2shape_core import checkpoint, models
from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.cli.main import main
from audio2shape_core.errors import InputError
from audio2shape_core.presets import PAPER, TINY, AlignmentConfig, DenoiserConfig
from audio2shape_core.vocabulary import Vocabulary


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
        model = models.build_tri_encoder(PAPER.alignment, Vocabulary(("dog", "cat"), (0.9, 0.6)))
        embedding, tokens = model.audio(torch.zeros(2, 64_000))
        others = model.image(torch.zeros(2, 3, 224, 224)), model.point(torch.zeros(2, 512, 3))
        context = model.context(embedding, tokens)
    assert embedding.shape == others[0].shape == others[1].shape == (2, 512)
    assert context.shape == (2, 54 + 2, PAPER.alignment.token_dim)
    assert 11 < millions(model.audio) < 12
    assert 87 < millions(model.image) < 89


@pytest.mark.parametrize(
    ("recipe", "rate", "decay", "batch", "epochs"),
    [(PAPER.align.points, 5e-4, 1e-4, 64, 100), (PAPER.diffuse.optimization, 1e-4, 1e-2, 16, 200)],
)
def test_the_papers_recipes_are_its_own(recipe, rate, decay, batch, epochs):
    assert (recipe.learning_rate, recipe.weight_decay, recipe.batch_size) == (rate, decay, batch)
    assert recipe.steps * batch == pytest.approx(epochs * 2500, rel=0.03)


@pytest.mark.parametrize("tokens", [16, 64, 128, 256])
def test_any_number_of_tokens_gives_all_points(tokens):
    config = dataclasses.replace(
        TINY.autoencoder, num_points=256, num_tokens=tokens, width=24, num_heads=2, encoder_widths=(8, 16)
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


def test_nothing_that_a_checkpoint_does_not_say_is_filled_in():
    stored = json.loads(json.dumps(vars(PAPER.alignment)))
    assert models.read_config(AlignmentConfig, "a.safetensors", stored) == PAPER.alignment
    del stored["token_dim"]
    with pytest.raises(InputError, match=r"a.safetensors was made by another version.*\(token_dim missing\)"):
        models.read_config(AlignmentConfig, "a.safetensors", stored)
    with pytest.raises(InputError, match=r"another version.*\(colour unknown\)"):
        models.read_config(DenoiserConfig, "a.safetensors", {**vars(TINY.denoiser), "colour": 3})


@pytest.mark.parametrize(
    ("config", "changes", "reason"),
    [
        (TINY.alignment, {"audio_encoder": "ears"}, "audio_encoder is 'ears', expected one of log_mel, wav2clip"),
        (TINY.alignment, {"audio_encoder": []}, "audio_encoder is"),
        (TINY.alignment, {"window_s": 1e9}, "window_s is '1000000000.0', expected numbers 0.1 to 60.0"),
        (TINY.alignment, {"n_fft": 1 << 40}, "n_fft is"),
        (TINY.alignment, {"point_widths": ()}, "point_widths is"),
        (TINY.alignment, {"point_widths": (64, True)}, "point_widths is"),
        (TINY.autoencoder, {"width": 225}, "num_heads must divide width"),
        (TINY.autoencoder, {"decoder_depth": 10**9}, "decoder_depth is"),
        (TINY.denoiser, {"depths": (1, 1)}, "widths and depths as many"),
        (TINY.denoiser, {"num_heads": 5}, "num_heads is 5, expected a divisor"),
        (TINY.denoiser, {"guidance": float("nan")}, "guidance is 'nan'"),
        (TINY.judging, {"num_points": 0}, "num_points is"),
    ],
)
def test_sizes_that_cannot_be_are_refused(config, changes, reason):
    with pytest.raises(InputError, match=reason):
        dataclasses.replace(config, **changes)


@pytest.mark.skipif(
    not (WEIGHTS / "alignment.safetensors").is_file(), reason="the shipped weights are not in this checkout"
)
def test_the_shipped_weights_are_the_tiny_preset_and_say_so_themselves():
    """Their headers were rewritten once; these hashes are of the weights as they were trained."""
    loaders = {
        "alignment": (models.load_tri_encoder, TINY.alignment, "5bc264b4133e"),
        "autoencoder": (models.load_autoencoder, TINY.autoencoder, "d1e08f7da634"),
        "denoiser": (models.load_denoiser, TINY.denoiser, "772c82d2366c"),
        "judge": (models.load_judge, TINY.judging, "dc1cc51dbe8b"),
    }
    for kind, (load, config, sha256) in loaders.items():
        stored = checkpoint.load(WEIGHTS / f"{kind}.safetensors", kind)
        assert stored.sha256.startswith(sha256)
        assert stored.vocabulary == Vocabulary.default()
        model, own, *_ = load(WEIGHTS / f"{kind}.safetensors")
        assert own == config
        assert all(torch.equal(tensor, stored.tensors[name]) for name, tensor in model.state_dict().items())
