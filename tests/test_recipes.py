"""The recipes from the command line, a few steps each, on a made data set: what they write is a system that runs."""

import json

import numpy as np
import pytest
import soundfile
import torch

from audio2shape_core import checkpoint, models, presets
from audio2shape_core.cli.main import main
from audio2shape_core.data import shape_bank
from audio2shape_core.presets import TrainingConfig
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.synthetic.sounds import play_physical
from audio2shape_core.training import align, judge, pairs

RECIPE = TrainingConfig(2, 8, 1e-3, 0.0, warmup_steps=1)
# 16 channels: oneDNN's gradient of a 5x5 convolution from one channel to eight crashes on some AMD processors.
MINI = presets.Preset(
    "tiny",
    alignment=presets.AlignmentConfig(
        audio_widths=(16, 16), image_widths=(16, 16), point_widths=(8, 8), token_dim=16, embed_dim=32, window_s=1.0
    ),
    autoencoder=presets.AutoencoderConfig(
        num_points=256,
        num_tokens=16,
        encoder_widths=(8, 8),
        width=24,
        num_heads=2,
        encoder_depth=1,
        decoder_depth=1,
        codebook_size=16,
    ),
    denoiser=presets.DenoiserConfig(widths=(16, 24), depths=(1, 1), num_heads=2, sample_steps=2),
    align=RECIPE,
    look=RECIPE,
    distill=RECIPE,
    autoencode=RECIPE,
    diffuse=RECIPE,
    judge=RECIPE,
)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A data set of two classes and everything trained on it for two steps."""
    folder, output = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("weights")
    rows = ["kind,class,item,split,group,source_repo,source_path,licence"]
    (folder / "audio").mkdir()
    (folder / "shapes").mkdir()
    for label in ("bell", "rain"):
        sound = play_physical(label, 0, 1.0) if label == "bell" else np.random.default_rng(0).uniform(-0.1, 0.1, 16_000)
        soundfile.write(folder / f"audio/{label}.wav", sound, 16_000)
        rows.append(f"audio,{label},audio/{label}.wav,train,{label},,,CC0")
    np.savez(folder / "shapes/bell.npz", **{"m_0/points": procedural_shape("bell", 900, 512)[0]})
    rows.append("shape,bell,shapes/bell.npz:m_0,train,m_0,,,CC0")
    (folder / "MANIFEST.csv").write_text("\n".join(rows) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "tiny", MINI)
        patch.setattr(shape_bank, "TRAIN_SEEDS", range(2))
        for module, name in (
            (align, "MADE_SOUNDS"),
            (align, "DECOY_SOUNDS"),
            (align, "RENDERS"),
            (align, "TEACHER_PICTURES"),
        ):
            patch.setattr(module, name, 2)
        patch.setattr(align, "synthesize", lambda label, seed: play_physical(label, seed, 1.0))
        patch.setattr(align, "NUM_POINTS", 128)
        patch.setattr(judge, "NUM_POINTS", 128)
        patch.setattr(pairs, "LATENTS", 50)
        patch.setattr(pairs, "BATCH", 4)
        for task in ("align", "autoencode", "diffuse", "judge"):
            assert train(task, folder, output) == 0
        yield folder, output


def train(task, data, output, *more):
    return main(["train", task, "--data", str(data), "--output", str(output), "--device", "cpu", *more])


def test_four_recipes_make_a_system_that_generates(system, tmp_path):
    data, weights = system
    target = tmp_path / "shape.ply"
    sound = str(data / "audio/bell.wav")
    assert (
        main(
            [
                "generate",
                sound,
                "--weights",
                str(weights),
                "--device",
                "cpu",
                "--output",
                str(target),
                "--json",
                str(tmp_path / "a.json"),
            ]
        )
        == 0
    )
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["num_points"] == 2048
    assert target.stat().st_size > 10_000


@pytest.mark.parametrize("part", ["alignment", "attention"])
def test_ablations_of_the_denoiser_make_whole_systems_too(system, tmp_path, part):
    data, weights = system
    assert train("diffuse", data, tmp_path, "--weights", str(weights), "--without", part) == 0
    sound = str(data / "audio/bell.wav")
    assert (
        main(["generate", sound, "--weights", str(tmp_path), "--device", "cpu", "--output", str(tmp_path / "a.ply")])
        == 0
    )
    kept = (tmp_path / "alignment.safetensors").read_bytes() == (weights / "alignment.safetensors").read_bytes()
    assert kept == (part == "attention")


def test_the_pc_vae_is_the_ablation_of_the_codebook(system, tmp_path):
    data, weights = system
    assert train("autoencode", data, tmp_path, "--without", "codebook") == 0
    assert (tmp_path / "autoencoder.safetensors").stat().st_size > 0


def test_a_recipe_can_be_shortened(system, tmp_path, capsys):
    data, _ = system
    assert train("autoencode", data, tmp_path, "--steps", "1", "--batch-size", "2") == 0
    assert checkpoint.load(tmp_path / "autoencoder.safetensors", "autoencoder").info["steps"] == 1
    assert train("align", data, tmp_path, "--steps", "1") == 2
    assert "align trains three encoders" in capsys.readouterr().err


def test_a_loss_term_can_be_left_out():
    torch.manual_seed(0)
    model = models.build_tri_encoder(MINI.alignment, align.CLASSES)
    embeddings = {name: torch.nn.functional.normalize(torch.randn(4, 32), dim=-1) for name in ("audio", "point")}
    classes = {name: torch.tensor([0, 1, 0, 1]) for name in embeddings}
    every = align.weighted_terms(model, embeddings, classes, frozenset())
    assert set(every) == {"audio-point", "audio-anchor", "point-anchor"}
    fewer = align.weighted_terms(model, embeddings, classes, frozenset({"audio-point"}))
    assert set(fewer) == {"audio-anchor", "point-anchor"}


def test_parts_that_a_recipe_does_not_have_are_refused(system, tmp_path, capsys):
    data, _ = system
    assert train("align", data, tmp_path, "--without", "attention") == 2
    assert "audio-point" in capsys.readouterr().err
