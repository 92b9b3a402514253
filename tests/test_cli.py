"""The command line as a user meets it: in this process, with the weights that ship."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.cli.main import COMMANDS, main
from audio2shape_core.shape import Shape

RATE = 16_000
needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "denoiser.safetensors").is_file(), reason="the shipped weights are not in this checkout"
)


def write_sound(path, waveform, rate=RATE, **options):
    soundfile.write(path, waveform, rate, **options)
    return str(path)


@pytest.fixture
def sound(tmp_path):
    times = np.arange(2 * RATE) / RATE
    return write_sound(tmp_path / "tone.wav", 0.3 * np.sin(2 * np.pi * 440 * times) * np.exp(-times))


def refuse(capsys, *argv):
    """Run a command that must fail with exit code 2 and one line; returns that line."""
    assert main([*map(str, argv)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("audio2shape: ")
    assert error.count("\n") == 1
    return error


BAD_SOUNDS = {
    "silence": lambda p: write_sound(p / "a.wav", np.zeros(RATE)),
    "an empty file": lambda p: (p / "a.wav").write_bytes(b"") or p / "a.wav",
    "text": lambda p: (p / "a.wav").write_text("not a sound at all") and p / "a.wav",
    "NaN samples": lambda p: write_sound(p / "a.wav", np.full(RATE, np.nan), subtype="FLOAT"),
    "a very short clip": lambda p: write_sound(p / "a.wav", np.random.default_rng(0).standard_normal(RATE // 20) * 0.1),
    "a missing file": lambda p: p / "missing.wav",
    "a folder": lambda p: p,
}


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_bad_sounds_are_refused_in_one_line(tmp_path, capsys, name):
    output = tmp_path / "out" / "shape.ply"
    refuse(capsys, "generate", BAD_SOUNDS[name](tmp_path), "--output", output, "--json", tmp_path / "out" / "a.json")
    assert not output.parent.exists()


def test_outputs_that_cannot_be_written_are_refused_before_work(tmp_path, capsys, sound):
    (tmp_path / "file").write_text("")
    assert "cannot write" in refuse(capsys, "generate", sound, "--output", tmp_path / "file" / "a.ply")
    assert "cannot write" in refuse(capsys, "generate", sound, "--output", "/proc/nothing/a.ply")
    assert "expected a name ending" in refuse(capsys, "generate", sound, "--output", tmp_path / "a.xyz")


def test_bad_images_weights_and_devices_are_refused(tmp_path, capsys, sound):
    (tmp_path / "a.png").write_text("no picture")
    output = ("--output", tmp_path / "a.ply")
    assert "not a picture" in refuse(capsys, "generate", sound, *output, "--image", tmp_path / "a.png")
    assert "no such file" in refuse(capsys, "generate", sound, *output, "--image", tmp_path / "b.png")
    assert "no weights" in refuse(capsys, "generate", sound, *output, "--weights", tmp_path)
    assert "device" in refuse(capsys, "generate", sound, *output, "--device", "cuda:77")
    assert not (tmp_path / "a.ply").exists()


@pytest.mark.parametrize("argv", [["generate", "a.wav", "--steps", "0"], ["generate"], ["fly"], ["train", "align"]])
def test_wrong_usage_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2


@needs_weights
def test_generate_keeps_its_contract(tmp_path, sound):
    outputs = [tmp_path / "a.ply", tmp_path / "b.ply"]
    for output in outputs:
        assert (
            main(["generate", sound, "--output", str(output), "--seed", "3", "--json", str(tmp_path / "a.json")]) == 0
        )
    result = json.loads((tmp_path / "a.json").read_text())
    assert set(result) >= {
        "label",
        "confidence",
        "scores",
        "timings_ms",
        "num_points",
        "seed",
        "device",
        "weights_sha256",
    }
    assert set(result["timings_ms"]) == {
        *("decode", "encode", "look", "diffuse", "decode_shape", "pose", "refine", "total")
    }
    assert result["num_points"] == 2048
    assert result["seed"] == 3
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    shape = Shape.load(outputs[0])
    assert shape.label == result["label"]
    assert 0 < shape.confidence.max() <= result["confidence"] + 1e-6


@needs_weights
@pytest.mark.parametrize(("suffix", "rate", "channels"), [("flac", 44100, 2), ("ogg", 8000, 1), ("mp3", 48000, 2)])
def test_any_format_rate_and_channels_will_do(tmp_path, suffix, rate, channels):
    noise = np.random.default_rng(0).standard_normal((rate, channels)) * 0.1
    path = write_sound(tmp_path / f"a.{suffix}", noise, rate)
    assert main(["generate", path, "--output", str(tmp_path / "a.npz"), "--steps", "2"]) == 0
    assert Shape.load(tmp_path / "a.npz").points.shape == (2048, 3)


@needs_weights
def test_an_image_gives_a_denser_shape_and_a_picture(tmp_path, sound):
    import cv2

    image = np.full((96, 128, 3), 240, np.uint8)
    cv2.ellipse(image, (64, 48), (40, 22), 0, 0, 360, (30, 90, 200), -1)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    argv = ["generate", sound, "--image", str(tmp_path / "a.png"), "--fx", "120", "--refine-steps", "20"]
    argv += [
        "--output",
        str(tmp_path / "a.ply"),
        "--preview",
        str(tmp_path / "p.png"),
        "--json",
        str(tmp_path / "a.json"),
    ]
    assert main(argv) == 0
    picture = cv2.imread(str(tmp_path / "p.png"))
    assert picture.std() > 10
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["num_points"] == (8192 if result["refined"] else 2048)


@pytest.fixture
def picture_and_mask(tmp_path):
    """Paths of a picture in which nothing stands out, and of a mask that says where the object is."""
    import cv2

    mask = np.zeros((96, 128), np.uint8)
    cv2.ellipse(mask, (64, 48), (40, 22), 0, 0, 360, 255, -1)
    cv2.imwrite(str(tmp_path / "picture.png"), np.full((96, 128, 3), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    return str(tmp_path / "picture.png"), str(tmp_path / "mask.png")


def generated(tmp_path, *argv):
    """The results of `generate` with those arguments."""
    output = ["--output", str(tmp_path / "a.ply"), "--json", str(tmp_path / "a.json")]
    assert main(["generate", *argv, *output]) == 0
    return json.loads((tmp_path / "a.json").read_text())


@needs_weights
def test_a_mask_says_where_the_object_is(tmp_path, capsys, sound, picture_and_mask):
    picture, mask = picture_and_mask
    arguments = [sound, "--image", picture, "--view", "35", "20", "--refine-steps", "5", "--steps", "5"]
    assert not generated(tmp_path, *arguments)["refined"]
    assert generated(tmp_path, *arguments, "--mask", mask)["refined"]
    write_sound(tmp_path / "mask.wav", np.zeros(RATE))
    assert "not a picture" in refuse(capsys, "generate", *arguments, "--mask", tmp_path / "mask.wav")


@needs_weights
def test_a_mask_of_another_size_is_refused(tmp_path, capsys, sound, picture_and_mask):
    import cv2

    picture, _ = picture_and_mask
    cv2.imwrite(str(tmp_path / "small.png"), np.full((48, 64), 255, np.uint8))
    arguments = ["generate", sound, "--image", picture, "--mask", tmp_path / "small.png", "--steps", "5"]
    assert "64 x 48, expected 128 x 96 pixels" in refuse(capsys, *arguments, "--output", tmp_path / "a.ply")


@pytest.mark.parametrize("command", ["", *(command.__name__.split(".")[-1] for command in COMMANDS)])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*command.split(), "--help"])
    assert exit_.value.code == 0
    assert f"usage: audio2shape {command}".strip() in capsys.readouterr().out


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e30", "two"])
def test_a_guidance_out_of_range_is_refused_in_one_line(value, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["generate", "a.wav", "--guidance", value])
    assert exit_.value.code == 2
    assert "argument --guidance" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--mask", "m.png"], "--mask without --image has no effect"),
        (["--view", "10", "20"], "--view without --image has no effect"),
        (["--fx", "300"], "--fx without --image has no effect"),
        (["--refine-steps", "5"], "--refine-steps without --image has no effect"),
        (["--time-budget", "5"], "--time-budget without --image has no effect"),
        (["--guidance", "1", "--guided-share", "0.5"], "has no effect"),
        (["--image", "i.png", "--refine-steps", "0"], "--refine-steps 0 has no effect"),
        (["--image", "i.png", "--cx", "5"], "need a focal length"),
    ],
)
def test_options_without_effect_are_refused(options, line, tmp_path, capsys, sound):
    assert line in refuse(capsys, "generate", sound, "--output", tmp_path / "a.ply", *options)


@needs_weights
def test_several_recordings_make_a_folder_and_a_bad_one_costs_only_itself(tmp_path, capsys, sound):
    (tmp_path / "b").mkdir()
    again = tmp_path / "b" / Path(sound).name
    again.write_bytes(Path(sound).read_bytes())
    (tmp_path / "bad.wav").write_text("no sound")
    out, result = tmp_path / "shapes", tmp_path / "a.json"
    argv = ["generate", sound, str(tmp_path / "bad.wav"), str(again), "--steps", "2", "--output", str(out)]
    assert main([*argv, "--json", str(result)]) == 2
    stem = Path(sound).stem
    assert sorted(path.name for path in out.iterdir()) == [f"{stem}-2.ply", f"{stem}.ply"]
    assert (out / f"{stem}.ply").read_bytes() == (out / f"{stem}-2.ply").read_bytes()
    written = json.loads(result.read_text())
    assert [Path(row["output"]).name for row in written["results"]] == [f"{stem}.ply", f"{stem}-2.ply"]
    assert written["refused"] == 1
    assert "bad.wav" in capsys.readouterr().err
    assert "expected a folder" in refuse(capsys, "generate", sound, again, "--output", tmp_path / "one.ply")


@needs_weights
def test_an_unknown_sound_is_called_unknown(tmp_path, capsys):
    path = write_sound(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 2 * RATE))
    result = generated(tmp_path, path, "--steps", "2")
    assert not result["known"]
    assert f"unknown, most like {result['label']}" in capsys.readouterr().out
    assert result["notice"].startswith("unknown sound, most like")
    assert generated(tmp_path, path, "--steps", "2", "--min-confidence", "0")["known"]


def test_the_doctor_tries_the_device_that_is_named(capsys):
    assert main(["doctor", "--device", "cuda:77"]) == 1
    assert "device 'cuda:77' is not there" in capsys.readouterr().out


def test_importing_the_core_loads_nothing_heavy():
    code = "import sys, audio2shape_core; print([m for m in ('torch', 'scipy', 'cv2', 'numpy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert run.stdout.strip() == "[]"


@needs_weights
def test_channels_that_cancel_are_heard_one_at_a_time(tmp_path, capsys):
    left = 0.3 * np.sin(np.arange(2 * RATE) / 5)
    sound = write_sound(tmp_path / "a.wav", np.stack([left, -left], axis=1))
    output = ("--output", tmp_path / "a.ply")
    assert "--channel 0" in refuse(capsys, "generate", sound, *output)
    assert "expected 0 to 1" in refuse(capsys, "generate", sound, *output, "--channel", "2")
    generated(tmp_path, sound, "--channel", "1", "--steps", "2")


def test_the_script_ends_with_the_code_and_all_that_was_said(tmp_path):
    command = [sys.executable, "-m", "audio2shape_core.cli", "generate", str(tmp_path / "none.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("audio2shape: ")
    assert done.stderr.count("\n") == 1
