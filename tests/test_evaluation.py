"""`evaluate` end to end on a data set of a few made sounds and shapes: the contract's keys, figures that make sense."""

import json

import numpy as np
import pytest
import soundfile

from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.cli.main import main
from audio2shape_core.data.canonical import turn
from audio2shape_core.evaluation.headings import agreement, evaluate_headings
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.synthetic.sounds import synthesize

if not (WEIGHTS / "judge.safetensors").is_file():
    pytest.skip("the shipped weights are not in this checkout", allow_module_level=True)

LABELS = ("bell", "drum", "wind", "bowl", "cup")  # known, known, outside, and two for zero-shot


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    import cv2

    folder = tmp_path_factory.mktemp("data")
    rows = ["kind,class,item,split,group,source_repo,source_path,licence"]
    rng = np.random.default_rng(0)
    for kind in ("audio", "shapes", "photos"):
        (folder / kind).mkdir()
    for label in LABELS:
        shapes = {}
        for seed in range(2):
            noise = 0.1 * rng.standard_normal(16_000)
            sound = synthesize(label, seed, 2.0) if label in ("bell", "drum") else noise
            soundfile.write(folder / f"audio/{label}{seed}.wav", sound, 16_000)
            rows.append(f"audio,{label},audio/{label}{seed}.wav,test,{label}{seed},,,CC0")
            if label == "wind":
                continue
            points, colors = procedural_shape(label, 500 + seed, 4096)
            shapes |= {f"m_{seed}/points": points, f"m_{seed}/colors": colors}
            rows.append(f"shape,{label},shapes/{label}.npz:m_{seed},test,m_{seed},,,CC0")
            cv2.imwrite(str(folder / f"photos/{label}{seed}.png"), rng.integers(0, 256, (70, 90, 3)).astype(np.uint8))
            rows.append(f"photo,{label},photos/{label}{seed}.png,test,{label}{seed},,,CC0")
        if shapes:
            np.savez(folder / f"shapes/{label}.npz", **shapes)
    (folder / "MANIFEST.csv").write_text("\n".join(rows) + "\n")
    return folder


def run(what, data, tmp_path, *more):
    assert (
        main(["evaluate", what, "--data", str(data), "--split", "test", "--json", str(tmp_path / "a.json"), *more]) == 0
    )
    return json.loads((tmp_path / "a.json").read_text())


def test_retrieval(data, tmp_path, capsys):
    result = run("retrieval", data, tmp_path, "--picture", str(tmp_path / "confusion.png"))
    assert (tmp_path / "confusion.png").stat().st_size > 5_000
    table = capsys.readouterr().out
    for direction in ("audio_to_shape", "shape_to_audio", "image_to_shape", "shape_to_image"):
        assert set(result[direction]) >= {"map", "recall@1", "recall@5", "recall@10", "class_hit@1"}
        assert direction in table
    assert set(result) >= {"gallery_size", "chance_map", "zero_shot", "calibration_error", "known_unknown_auroc"}
    assert result["gallery_size"] == 24 * 5  # completed with procedural shapes
    assert result["gallery_made"] == 24 * 5 - 4
    assert result["audio_to_shape"]["map"] > result["chance_map"]


def test_reconstruction(data, tmp_path, monkeypatch):
    monkeypatch.setattr("audio2shape_core.evaluation.reconstruction.EMD_POINTS", 128)  # exact matching is cubic
    weights = str(WEIGHTS)  # its own ablation: the same autoencoder must give the same figures
    picture = str(tmp_path / "walk.png")
    result = run("reconstruction", data, tmp_path, "--ablation", f"pc_vae={weights}", "--picture", picture)
    assert (tmp_path / "walk.png").stat().st_size > 10_000
    assert result["ablations"]["pc_vae"]["mean"] == result["mean"]
    assert set(result) >= {"mean", "floor", "per_class", "codebook"}
    assert set(result["mean"]) == {"cd", "emd", "fscore"}
    for row in result["per_class"].values():
        assert row["floor"]["cd"] < row["mean"]["cd"] < 6 * row["floor"]["cd"]
    assert 0 < result["codebook"]["used"] <= 1


def test_generation(data, tmp_path):
    result = run(
        "generation", data, tmp_path, "--picture", str(tmp_path / "sheet.png"), "--ablation", f"same={WEIGHTS}"
    )
    assert result["recordings"] == 4
    assert set(result["class_accuracy"]) == {"heard", "truth"}
    assert result["judge_accuracy"] > 0.8
    assert result["ablations"]["same"] == result["ablations"]["full"]
    assert 0 <= result["coverage"] <= 1
    assert set(result["sets"]) == {"bell", "drum"}
    assert result["seed_variety"]["median"] > 0
    assert result["semantic"]["audio_to_shape"]["queries"] == 4
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_sweep(data, tmp_path, monkeypatch):
    monkeypatch.setattr("audio2shape_core.evaluation.sweep.GUIDANCE", (1.0, 3.0))
    monkeypatch.setattr("audio2shape_core.evaluation.sweep.GUIDED_SHARES", (0.5,))
    monkeypatch.setattr("audio2shape_core.evaluation.sweep.STEPS", (2, 5))
    monkeypatch.setattr("audio2shape_core.evaluation.sweep.SAMPLER_STEPS", 3)
    result = run("sweep", data, tmp_path, "--picture", str(tmp_path / "sweep.png"))
    assert set(result["guidance"]) == {"1.0", "3.0"}
    assert set(result["guided_share"]) == {"0.5"}
    assert set(result["steps"]) == {"2", "5"}
    assert set(result["sampler"]) == {"dpm++", "ddim", "ddpm"}
    assert all(row["mmd"] > 0 for rows in result.values() for row in rows.values())
    assert (tmp_path / "sweep.png").stat().st_size > 5_000


def test_headings_agree_where_one_shape_was_not_turned():
    rng = np.random.default_rng(0)
    dog = procedural_shape("dog", 0, 512)[0]
    straight = [(dog + rng.normal(0, 0.01, dog.shape)).astype(np.float32) for _ in range(5)]
    assert agreement(straight) == 1.0
    assert agreement([turn(straight[0], 180), *straight[1:]]) == pytest.approx(0.8)


def test_headings_of_a_data_set(tmp_path, capsys):
    (tmp_path / "shapes").mkdir()
    clouds = {f"x_{seed}/points": turn(procedural_shape("cow", seed, 512)[0], 90 * seed) for seed in range(5)}
    np.savez(tmp_path / "shapes/cow.npz", **clouds)
    rows = [f"shape,cow,shapes/cow.npz:x_{seed},test,x_{seed},,,CC0" for seed in range(5)]
    table = ["kind,class,item,split,group,source_repo,source_path,licence", *rows]
    (tmp_path / "MANIFEST.csv").write_text("\n".join(table) + "\n")
    result = evaluate_headings(tmp_path, "test")
    assert result["per_class"]["cow"]["shapes"] == 5
    assert result["canonical"] == 1.0 > result["as_found"]
    assert "cow" in capsys.readouterr().out


def test_tables_set_the_papers_figures_beside_ours(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("audio2shape_core.evaluation.reconstruction.EMD_POINTS", 64)
    monkeypatch.setattr("audio2shape_core.evaluation.gallery.coloured_shapes", lambda *_: [])  # minutes of fitting
    known = {"l1_view": 0.0123, "cd_before": 0.2, "cd_after": 0.1}
    monkeypatch.setattr("audio2shape_core.evaluation.refinement.evaluate_refinement", lambda *_, **__: known)
    result = run("tables", data, tmp_path)
    table = capsys.readouterr().out
    assert set(result) == {"retrieval", "reconstruction", "generation", "refinement"}
    assert f"80.1% / {result['retrieval']['audio_to_shape']['map']:.1%}" in table
    assert f"0.0459 / {result['reconstruction']['per_class']['violin']['mean']['cd']:.4f}" in table
    assert f"73.9% / {result['generation']['semantic']['audio_to_shape']['map']:.1%}" in table
    assert "| l1_view | 0.0032 | 0.0123 |" in table


def test_an_ablation_needs_a_name_and_a_folder(data, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "generation", "--data", str(data), "--ablation", "no-such-folder"])
    assert stop.value.code == 2
    assert "NAME=DIR" in capsys.readouterr().err


def test_a_split_that_is_not_there_is_refused(data, capsys):
    assert main(["evaluate", "generation", "--data", str(data), "--split", "valid"]) == 2
    assert "no split 'valid'" in capsys.readouterr().err
