"""`evaluate` end to end on a data set of a few made sounds and shapes: the contract's keys, figures that make sense."""

import inspect
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import soundfile

from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.cli.main import main
from audio2shape_core.data.canonical import turn
from audio2shape_core.evaluation.headings import agreement
from audio2shape_core.evaluation.registry import EVALUATIONS, evaluate
from audio2shape_core.evaluation.task import Sizes
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.synthetic.sounds import synthesize

if not (WEIGHTS / "judge.safetensors").is_file():
    pytest.skip("the shipped weights are not in this checkout", allow_module_level=True)

LABELS = ("bell", "drum", "wind", "bowl", "cup")  # known, known, outside, and two for zero-shot


@pytest.fixture(scope="module")
def data(tmp_path_factory):
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
    argv = ["evaluate", what, "--data", str(data), "--split", "test", "--json", str(tmp_path / "a.json"), *more]
    assert main(argv) == 0
    return json.loads((tmp_path / "a.json").read_text())


def sheet(path):
    """A picture that was drawn, grey, and the share of it that is not paper."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return picture, (picture < 250).mean()


def test_retrieval(data, tmp_path, capsys):
    result = run("retrieval", data, tmp_path, "--picture", str(tmp_path / "confusion.png"))
    picture, ink = sheet(tmp_path / "confusion.png")
    assert min(picture.shape) > 200
    assert 0.005 < ink < 0.7
    table = capsys.readouterr().out
    for direction in ("audio_to_shape", "shape_to_audio", "image_to_shape", "shape_to_image"):
        assert set(result[direction]) >= {"map", "recall@1", "recall@5", "recall@10", "class_hit@1"}
        assert direction in table
    assert result["gallery_size"] == 2 * 5  # the two classes that the set has, completed with procedural shapes
    assert result["gallery_made"] == 2 * 5 - 4
    assert result["zero_shot"]["gallery_size"] == 2 * 5
    assert result["made"] == {"sounds": 0, "shapes": 6 + 6, "renders": 20}
    assert "sounds 0  shapes 12  renders 20" in table
    assert result["audio_to_shape"]["queries"] == 4
    assert result["audio_to_shape"]["map"] > result["chance_map"]
    assert result["robustness"]["clean"]["accuracy"] == result["audio_accuracy"]
    assert 0 <= result["known_unknown_auroc"] <= 1


def test_retrieval_without_made_items_and_robustness(data, tmp_path):
    result = run("retrieval", data, tmp_path, "--without-made", "--without-robustness")
    assert result["made"] == {"sounds": 0, "shapes": 0, "renders": 0}
    assert (result["gallery_size"], result["gallery_made"]) == (4, 0)
    assert result["image_to_shape"] is None  # those images are renders; photographs are measured beside them
    assert result["photo_to_shape"]["queries"] == 4
    assert result["robustness"] is None


def test_what_the_split_lacks_has_no_figure(data, tmp_path):
    rows = (data / "MANIFEST.csv").read_text().splitlines()
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "shapes").symlink_to(data / "shapes")
    kept = [row for row in rows if row.startswith(("kind", "shape,bell"))]
    (bare / "MANIFEST.csv").write_text("\n".join(kept) + "\n")
    result = run("retrieval", bare, tmp_path)
    assert result["audio_accuracy"] is result["audio_to_shape"] is result["known_unknown_auroc"] is None
    assert result["zero_shot"] == {
        "gallery_size": 0,
        "audio_to_shape": None,
        "shape_to_audio": None,
        "image_to_shape": None,
        "shape_to_image": None,
    }
    assert result["image_to_shape"]["queries"] == 5
    assert main(["evaluate", "generation", "--data", str(bare)]) == 2


def test_reconstruction(data, tmp_path):
    picture = tmp_path / "walk.png"  # its own ablation: the same autoencoder must give the same figures
    few = Sizes(emd_points=128)
    result = evaluate("reconstruction", data, "test", ablations={"pc_vae": WEIGHTS}, picture=picture, sizes=few)
    assert sheet(picture)[1] > 0.01
    assert result["ablations"]["pc_vae"]["mean"] == result["mean"]
    assert set(result["per_class"]) == {"bell", "drum"}
    assert set(result["mean"]) == {"cd", "emd", "fscore"}
    for row in result["per_class"].values():
        assert row["shapes"] == 4
        assert row["floor"]["cd"] < row["mean"]["cd"] < 6 * row["floor"]["cd"]
    means = [row["mean"]["cd"] for row in result["per_class"].values()]
    assert result["mean"]["cd"] == pytest.approx(np.mean(means))
    assert 0 < result["codebook"]["used"] <= 1
    assert result["made"]["shapes"] == 4


def test_generation(data, tmp_path):
    few = Sizes(sets=4, set_points=(256, 64))
    target = tmp_path / "sheet.png"
    result = evaluate("generation", data, "test", ablations={"same": WEIGHTS}, picture=target, sizes=few)
    assert sheet(target)[1] > 0.01
    assert result["recordings"] == 4
    assert set(result["class_accuracy"]) == {"heard", "truth"}
    assert result["judge_accuracy"] > 0.8
    assert result["ablations"]["same"] == result["ablations"]["full"]
    assert 0 <= result["coverage"] <= 1
    assert set(result["sets"]) == {"bell", "drum"}
    assert result["sets"]["bell"]["cd"]["references"] == 4
    assert result["seed_variety"]["median"] > 0
    assert result["semantic"]["audio_to_shape"]["queries"] == 4
    assert result["made"]["shapes"] == 2 * 2 + 2 * 2 * 4  # the gallery; training shapes beside it, twice


def test_sweep(data, tmp_path):
    target = tmp_path / "sweep.png"
    few = Sizes(guidance=(1.0, 3.0), guided_shares=(0.5,), steps=(1, 8), sampler_steps=3)
    result = evaluate("sweep", data, "test", picture=target, sizes=few)
    assert sheet(target)[1] > 0.01
    assert {name: list(rows) for name, rows in result.items() if name != "made"} == {
        "guidance": [1.0, 3.0],
        "guided_share": [0.5],
        "steps": [1, 8],
        "sampler": ["dpm++", "ddim", "ddpm"],
    }
    one, eight = result["steps"].values()
    assert eight["mmd"] < one["mmd"]  # one step of denoising leaves a blur
    for rows in (result["guidance"], result["guided_share"], result["steps"], result["sampler"]):
        for row in rows.values():
            assert 0 <= row["as_heard"] <= 1
            assert 1e-4 < row["mmd"] < 1


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
    rows = [f"shape,cow,shapes/cow.npz:x_{seed},test,x_{seed}" for seed in range(5)]
    (tmp_path / "MANIFEST.csv").write_text("\n".join(["kind,class,item,split,group", *rows]) + "\n")
    result = evaluate("headings", tmp_path, "test")
    assert result["per_class"]["cow"]["shapes"] == 5
    assert result["canonical"] == 1.0 > result["as_found"]
    assert "cow" in capsys.readouterr().out


def test_tables_of_a_small_set_run_to_their_end(data, capsys):
    """On the default device, with nothing replaced: only the sizes are small. There is no violin, saxophone or harp."""
    few = Sizes(
        gallery=2, reconstructed=(2, 2), emd_points=32, sets=4, set_points=(64, 16), iterations=3, side=48, harder=1
    )
    result = evaluate("tables", data, "test", robustness=False, sizes=few)
    table = capsys.readouterr().out
    assert set(result) == {"retrieval", "reconstruction", "generation", "refinement", "made"}
    assert f"80.1% / {result['retrieval']['audio_to_shape']['map']:.1%}" in table
    assert "| violin | 0.0597 / - | 0.1905 / - | 0.0459 / - | 0.0898 / - | - | - |" in table
    assert f"73.9% / {result['generation']['semantic']['audio_to_shape']['map']:.1%}" in table
    assert f"| l1_view | 0.0032 | {result['refinement']['l1_view']:.4f} |" in table
    assert result["refinement"]["num_shapes"] == 6  # two real ones and a made one a class
    assert "nan" not in table.lower()


@pytest.mark.parametrize(
    ("what", "option"),
    [
        ("headings", ["--device", "cpu"]),
        ("headings", ["--picture", "a.png"]),
        ("headings", ["--weights", "."]),
        ("headings", ["--without-made"]),
        ("refinement", ["--weights", "."]),
        ("refinement", ["--ablation", "a=."]),
        ("retrieval", ["--ablation", "a=."]),
        ("sweep", ["--ablation", "a=."]),
        ("sweep", ["--without-robustness"]),
        ("tables", ["--picture", "a.png"]),
        ("generation", ["--without-robustness"]),
    ],
)
def test_an_option_without_effect_is_refused(data, capsys, what, option):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", what, "--data", str(data), *option])
    assert stop.value.code == 2
    assert f"unrecognized arguments: {' '.join(option)}" in capsys.readouterr().err


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_option_of_an_evaluation_is_one_that_the_call_takes(name):
    taken = set(inspect.signature(evaluate).parameters)
    assert set(EVALUATIONS[name].options) <= taken
    assert bool(EVALUATIONS[name].picture) == ("picture" in EVALUATIONS[name].options)


def test_the_registry_loads_nothing_heavy():
    code = (
        "import sys, audio2shape_core.cli.evaluate; print([m for m in ('numpy', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_ablation_needs_a_name_and_a_folder(data, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "generation", "--data", str(data), "--ablation", "no-such-folder"])
    assert stop.value.code == 2
    assert "NAME=DIR" in capsys.readouterr().err


def test_a_split_that_is_not_there_is_refused(data, capsys):
    assert main(["evaluate", "generation", "--data", str(data), "--split", "valid"]) == 2
    assert "no split 'valid'" in capsys.readouterr().err
