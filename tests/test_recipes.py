"""The recipes, a few steps each, on small data sets: what they write is a system that runs."""

import dataclasses
import json
import time

import numpy as np
import pytest
import torch
from mini import MINI, run_of, write_set
from safetensors import safe_open

from audio2shape_core import checkpoint, models
from audio2shape_core.cli.main import main
from audio2shape_core.errors import InputError
from audio2shape_core.pipeline import AudioToShape
from audio2shape_core.presets import PRESETS, TINY
from audio2shape_core.training import align
from audio2shape_core.training.align import train_align
from audio2shape_core.training.autoencode import train_autoencode
from audio2shape_core.training.diffuse import train_diffuse
from audio2shape_core.training.judge import train_judge
from audio2shape_core.vocabulary import Vocabulary

RECIPES = {"align": train_align, "autoencode": train_autoencode, "diffuse": train_diffuse, "judge": train_judge}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A set of one known class and one from outside."""
    return write_set(tmp_path_factory.mktemp("sets") / "data")


@pytest.fixture(scope="module")
def weights(data, tmp_path_factory):
    """Everything trained on that set for two steps."""
    output = tmp_path_factory.mktemp("weights")
    for recipe in RECIPES.values():
        recipe(run_of(data, output))
    return output


def header(path):
    with safe_open(path, "pt") as file:
        return {key: json.loads(text) for key, text in file.metadata().items() if key in ("config", "info")}


def train(task, data, output, *more):
    return main(["train", task, "--data", str(data), "--output", str(output), "--device", "cpu", *more])


def test_four_recipes_make_a_system_that_generates(data, weights, tmp_path):
    sound, target, report = data / "audio/bell.wav", tmp_path / "shape.ply", tmp_path / "a.json"
    argv = ["generate", str(sound), "--weights", str(weights), "--device", "cpu"]
    assert main([*argv, "--output", str(target), "--json", str(report)]) == 0
    result = json.loads(report.read_text())
    assert result["num_points"] == 2048
    assert result["scores"] == {"bell": pytest.approx(result["familiarity"], abs=1e-6)}  # the only class there is
    assert target.stat().st_size > 2048 * 15  # twelve bytes of place and three of colour a point


def test_only_the_classes_of_the_set_are_trained_and_completed(weights):
    for kind in ("alignment", "autoencoder", "denoiser", "judge"):
        stored = checkpoint.load(weights / f"{kind}.safetensors", kind)
        assert stored.vocabulary == Vocabulary(("bell",), (0.25,), outside=("rain",))
    stored = checkpoint.load(weights / "alignment.safetensors", "alignment")
    assert stored.info["made"] == {"sounds": 2, "shapes": 2, "renders": 3}
    assert stored.tensors["anchor_table"].shape == (2, MINI.alignment.embed_dim)
    assert not [path for path in (weights / "made").iterdir() if "bell" not in path.name]


def test_a_header_says_everything_that_sizes_a_model(weights):
    assert header(weights / "alignment.safetensors")["config"] == json.loads(json.dumps(vars(MINI.alignment)))
    assert header(weights / "judge.safetensors")["config"] == {"widths": [8, 8], "num_points": 128}
    assert header(weights / "denoiser.safetensors")["info"]["steps"] == 2


def test_a_class_is_added_by_data_alone(tmp_path):
    """A class that no file of ours names: two recordings and shapes of it, its name and size in a file."""
    data = write_set(tmp_path / "data", sounds=("bell", "theremin"), shapes=("bell", "theremin"))
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"names": {"bell": 0.25, "theremin": 0.6, "harp": 1.8}}))
    vocabulary = Vocabulary.read(mine)
    for recipe in RECIPES.values():
        recipe(run_of(data, tmp_path / "out", vocabulary=vocabulary))
    model = AudioToShape.load(tmp_path / "out", device="cpu")
    assert model.vocabulary == vocabulary
    heard = model.listen(np.random.default_rng(0).uniform(-0.1, 0.1, 16_000).astype(np.float32))
    assert set(heard.scores) == {"bell", "theremin", "harp"}
    shape = model.imagine(dataclasses.replace(heard, label="theremin"))
    assert np.ptp(shape.points_in_camera(), axis=0).max() < 0.6 * 3**0.5 + 1e-3  # of the size that the file says
    # The shipped weights know nothing of it, and still work.
    assert (
        tuple(AudioToShape.load(device="cpu").listen(np.ones(16_000, np.float32)).scores) == Vocabulary.default().names
    )


def test_a_class_that_is_neither_there_nor_makeable_is_refused(data, tmp_path):
    vocabulary = Vocabulary(("bell", "theremin"), (0.25, 0.6))
    with pytest.raises(InputError, match="no recording of 'theremin' in the data, and none can be made"):
        train_align(run_of(data, tmp_path, vocabulary=vocabulary))
    with pytest.raises(InputError, match="no shape of 'theremin' in the data, and none can be made"):
        train_judge(run_of(data, tmp_path, vocabulary=vocabulary))


def test_a_set_without_a_known_class_is_refused(tmp_path):
    data = write_set(tmp_path / "data", sounds=("theremin",), shapes=())
    with pytest.raises(InputError, match="no class of the vocabulary .* --vocabulary FILE"):
        train_autoencode(run_of(data, tmp_path / "out"))


def test_the_first_step_of_the_shipped_preset_comes_soon(data, tmp_path, monkeypatch):
    """Nothing is made before it is drawn: a step costs seconds, not the making of 140 sounds and 400 renders."""
    start = time.perf_counter()

    def first_step(model, losses, *_):
        assert all(torch.isfinite(term) for term in losses(0).values())
        raise KeyboardInterrupt

    run = run_of(data, tmp_path, preset=TINY)
    monkeypatch.setattr(run, "fit", first_step)
    with pytest.raises(KeyboardInterrupt):
        train_align(run)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("part", ["alignment", "attention"])
def test_ablations_of_the_denoiser_make_whole_systems_too(data, weights, tmp_path, part):
    train_diffuse(run_of(data, tmp_path, weights=weights, without=frozenset({part})))
    AudioToShape.load(tmp_path, device="cpu")
    kept = (tmp_path / "alignment.safetensors").read_bytes() == (weights / "alignment.safetensors").read_bytes()
    assert kept == (part == "attention")


def test_an_ablation_never_overwrites_what_was_aligned(data, weights):
    before = (weights / "alignment.safetensors").read_bytes()
    with pytest.raises(InputError, match="would overwrite"):
        train_diffuse(run_of(data, weights, without=frozenset({"alignment"})))
    assert (weights / "alignment.safetensors").read_bytes() == before


def test_the_pc_vae_is_the_ablation_of_the_codebook(data, tmp_path):
    path = train_autoencode(run_of(data, tmp_path, without=frozenset({"codebook"})))
    stored = checkpoint.load(path, "autoencoder")
    assert stored.info["quantized"] is False
    assert not any("codes" in name for name in stored.tensors)
    model, config, _ = models.load_autoencoder(path)
    assert model.encode(torch.rand(1, 256, 3)).shape == (1, config.num_tokens, config.latent_dim)


@pytest.mark.parametrize("task", RECIPES)
def test_every_recipe_can_be_shortened(data, weights, tmp_path, monkeypatch, capsys, task):
    monkeypatch.setitem(PRESETS, "tiny", MINI)
    more = ["--weights", str(weights)] if task == "diffuse" else []
    assert train(task, data, tmp_path, "--steps", "1", "--batch-size", "3", *more) == 0
    kind = {"align": "alignment", "autoencode": "autoencoder", "diffuse": "denoiser", "judge": "judge"}[task]
    steps = checkpoint.load(tmp_path / f"{kind}.safetensors", kind).info["steps"]
    assert steps == ([1, 1, 1] if task == "align" else 1)
    assert "made beside the data: " in capsys.readouterr().out


def test_a_missing_predecessor_is_named(data, weights, tmp_path, capsys):
    assert train("diffuse", data, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "alignment.safetensors" in error
    assert "`audio2shape train align`" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_another_vocabulary_than_the_alignments_is_refused(data, weights, tmp_path):
    other = Vocabulary(("bell", "dog"), (0.25, 0.9))
    with pytest.raises(InputError, match="expected the same: run `audio2shape train align` with it first"):
        train_diffuse(run_of(data, tmp_path, weights=weights, vocabulary=other))


def test_a_term_can_be_left_out():
    torch.manual_seed(0)
    model = models.build_tri_encoder(MINI.alignment, Vocabulary(("bell", "dog"), (0.25, 0.9)))
    embeddings = {name: torch.nn.functional.normalize(torch.randn(4, 32), dim=-1) for name in ("audio", "point")}
    classes = {name: torch.tensor([0, 1, 0, 1]) for name in embeddings}
    every = align.weighted_terms(model, embeddings, classes, frozenset())
    assert set(every) == {"audio-point", "audio-anchor", "point-anchor"}
    fewer = align.weighted_terms(model, embeddings, classes, frozenset({"audio-point"}))
    assert set(fewer) == {"audio-anchor", "point-anchor"}
    assert fewer["audio-anchor"] == every["audio-anchor"]


def test_parts_that_a_recipe_does_not_have_are_refused(data, tmp_path, capsys):
    assert train("align", data, tmp_path, "--without", "attention") == 2
    assert "audio-point" in capsys.readouterr().err
    assert train("judge", data, tmp_path, "--without", "attention") == 2
    assert "this recipe can do without nothing" in capsys.readouterr().err
