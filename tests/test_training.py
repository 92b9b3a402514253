"""The loop and the banks that feed it, on data small enough to train in seconds."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from audio2shape_core.data import image_bank, shape_bank, sound_bank
from audio2shape_core.presets import TrainingConfig
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.training import pairs
from audio2shape_core.training.loop import batches, fit, follow, learning_rate
from audio2shape_core.vocabulary import VOCABULARY

CPU = torch.device("cpu")
CONFIG = TrainingConfig(60, 8, 0.05, 0.0, warmup_steps=5, ema_decay=0.9)


def linear_problem():
    """y = 3 x - 1 with batches seeded by the step, as every recipe's are."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)

    def losses(step):
        x = torch.randn(8, 1, generator=torch.Generator().manual_seed(step))
        return {"error": (model(x).float() - (3 * x - 1)).square().mean()}

    return model, losses


def test_the_loop_minimises_and_logs(tmp_path):
    config = TrainingConfig(400, 8, 0.05, 0.0, warmup_steps=5, ema_decay=0.9)
    model, losses = linear_problem()
    average = fit(model, losses, config, tmp_path, resume=False, device=CPU)
    assert average.weight.item() == pytest.approx(3, abs=0.05)
    assert not average.training
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [100, 200, 300, 400]
    assert log[-1]["error"] < log[0]["error"]


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, monkeypatch):
    model, losses = linear_problem()
    whole = fit(model, losses, CONFIG, tmp_path / "whole", resume=False, device=CPU)
    monkeypatch.setattr("audio2shape_core.training.loop.SAVE_EVERY_S", 0.0)  # save at every step
    model, losses = linear_problem()

    def broken(step):
        if step == 30:
            raise KeyboardInterrupt
        return losses(step)

    with pytest.raises(KeyboardInterrupt):
        fit(model, broken, CONFIG, tmp_path / "broken", resume=False, device=CPU)
    model, losses = linear_problem()
    resumed = fit(model, losses, CONFIG, tmp_path / "broken", resume=True, device=CPU)
    assert torch.equal(whole.weight, resumed.weight)


def test_batches_may_be_drawn_apart(tmp_path):
    model, losses = linear_problem()
    direct = fit(model, losses, CONFIG, tmp_path / "direct", resume=False, device=CPU)
    model, losses = linear_problem()
    drawn = []

    def draw(step):
        drawn.append(step)
        return np.array(step)

    apart = fit(
        model, lambda batch: losses(int(batch)), CONFIG, tmp_path / "apart", resume=False, device=CPU, draw=draw
    )
    assert drawn == list(range(60))
    assert torch.equal(direct.weight, apart.weight)


def test_batches_drawn_ahead_keep_their_order():
    drawn = batches(lambda step: np.array(step), range(3, 11), torch.device("cuda"))  # the processes need no GPU
    assert [int(batch) for batch in drawn] == list(range(3, 11))


def test_rows_are_drawn_from_the_class_asked_for():
    rows = {label: torch.full((1 + index % 3, 2), float(index)) for index, label in enumerate(VOCABULARY)}
    classes = np.array([0, 5, 2, 23, 5])
    drawn = pairs.RowsByClass(rows, CPU).draw(classes, np.random.default_rng(0))
    assert drawn[:, 0].tolist() == classes.tolist()


def test_contexts_are_cached_for_the_encoder_that_made_them(tmp_path):
    path, first = tmp_path / "contexts.safetensors", {"bell": torch.ones(2, 3, 4)}
    pairs.stored_contexts(path, "one", lambda: first)
    again = pairs.stored_contexts(path, "one", lambda: pytest.fail("made again"))
    assert torch.equal(again["bell"], first["bell"])
    other = {"bell": torch.zeros(2, 3, 4)}
    assert pairs.stored_contexts(path, "another", lambda: other) is other


def test_the_learning_rate_warms_up_and_decays():
    rates = [learning_rate(step, CONFIG) for step in range(60)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.05, rel=0.05)
    assert rates[-1] < 0.1 * max(rates)
    assert np.all(np.diff(rates[6:]) < 0)


def test_the_average_takes_buffers_along():
    model = nn.BatchNorm1d(2)
    average = nn.BatchNorm1d(2)
    model.running_mean.fill_(1.0)
    model.num_batches_tracked.fill_(7)
    for step in range(200):
        follow(average, model, step, 0.9)
    assert torch.allclose(average.running_mean, torch.ones(2), atol=1e-3)
    assert average.num_batches_tracked == 7


def test_sounds_are_drawn_by_class_at_the_length_asked_for():
    rng = np.random.default_rng(0)
    bank = sound_bank.SoundBank([np.full(9000, 0.5), np.full(40_000, -0.5)], ["bell", "dog"])
    bank = bank.completed_with(sound_bank.SoundBank([np.full(5000, 0.25)], ["cat"]), 0.1)
    assert set(bank.by_label) == {"bell", "dog", "cat"}
    for label in bank.by_label:
        drawn = bank.draw(label, 1.0, rng)
        assert drawn.shape == (16_000,)
        assert drawn.dtype == np.float32
        assert np.isfinite(drawn).all()
    assert bank.waveform(2) == pytest.approx(0.25, abs=1e-4)


def test_many_clips_of_one_recording_do_not_drown_the_others():
    clips = [np.zeros(10)] * 17
    bank = sound_bank.SoundBank(clips, ["guitar"] * 17, ["long"] * 16 + ["short"])
    assert bank.odds["guitar"][-1] == pytest.approx(1 / 5)  # sqrt(16) : sqrt(1)


def test_made_sounds_keep_to_their_share_where_there_are_recordings():
    real = sound_bank.SoundBank([np.zeros(10)] * 4, ["bell"] * 4, ["a", "a", "a", "b"])
    made = sound_bank.SoundBank([np.zeros(10)] * 30, ["bell"] * 20 + ["harp"] * 10)
    bank = real.completed_with(made, 0.1)
    assert bank.odds["bell"][4:].sum() == pytest.approx(0.1)
    assert bank.odds["harp"].sum() == pytest.approx(1)


def test_a_blend_holds_both_sounds_by_their_shares():
    first, second = np.sin(np.arange(8000) * 0.1), 0.01 * np.sign(np.sin(np.arange(8000) * 0.37))
    blended = sound_bank.blend(first, second, 0.7)
    first, second = first / first.std(), second / second.std()
    shares = np.linalg.lstsq(np.stack([first, second], 1), blended, rcond=None)[0]
    assert shares == pytest.approx([0.7, 0.3], abs=1e-3)
    assert np.allclose(sound_bank.blend(first, second, 1.0), first, atol=1e-3)


def test_nothing_is_left_above_a_band_limit():
    noise = np.random.default_rng(0).standard_normal(16_000)
    limited = np.abs(np.fft.rfft(sound_bank.limit_band(noise, 4000)))
    assert limited[4001:].max() < 1e-9 * limited[:3999].max()


def test_a_picture_of_a_shape_shows_it_in_its_colours_before_a_background():
    rng = np.random.default_rng(0)
    sphere = rng.standard_normal((2048, 3))
    sphere = (sphere / np.linalg.norm(sphere, axis=1, keepdims=True)).astype(np.float32)
    red = np.broadcast_to(np.array([250, 0, 0], np.uint8), sphere.shape)
    picture = photograph(sphere, red, rng, 64)
    assert picture.shape == (64, 64, 4)
    covered = picture[..., 3] > 200
    assert 0.3 < covered.mean() < 0.9  # a disc in a square
    assert not picture[:4, :4, 3].any()
    assert picture[covered][:, 0].mean() > 80
    assert picture[covered][:, 1:3].max() <= 2


def test_pictures_are_drawn_from_photographs_and_renders():
    rng = np.random.default_rng(0)
    photos = {"bell": np.full((20, 40, 40, 3), 255, np.uint8)}
    renders = {label: np.zeros((3, 40, 40, 4), np.uint8) for label in ("bell", "harp")}
    bank = image_bank.ImageBank(photos, renders, 32)
    assert bank.labels == ["bell", "harp"]
    for label in bank.labels:
        drawn = bank.draw(label, rng)
        assert drawn.shape == (32, 32, 3)
        assert drawn.dtype == np.float32
        assert 0 <= drawn.min() <= drawn.max() <= 1
    opaque = np.full((40, 40, 4), 255, np.uint8)
    assert np.all(image_bank.over_background(opaque, rng) == 1)


@pytest.mark.parametrize("snr", [0.0, 10.0, 30.0])
def test_noise_is_added_at_the_ratio_asked_for(snr):
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(16_000) * 0.1)
    noise = sound_bank.add_noise(clean, snr, rng) - clean
    assert 10 * np.log10(np.mean(clean**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.01)


def test_speed_moves_pitch_and_length():
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    faster = sound_bank.change_speed(tone, 1.25)
    assert len(faster) == pytest.approx(12_800, abs=2)
    peak = np.abs(np.fft.rfft(faster)).argmax() * 16_000 / len(faster)
    assert peak == pytest.approx(550, abs=2)


def test_masking_leaves_most_of_a_spectrogram():
    rng = np.random.default_rng(0)
    mel = np.ones((64, 200), np.float32)
    sound_bank.mask_spectrogram(mel, rng)
    assert 0.4 < (mel != 0).mean() <= 1


def test_shapes_are_drawn_real_or_made_in_the_stated_proportion():
    count = 60
    labels = np.array(["bell"] * (2 * count))
    real = np.arange(2 * count) < count
    cloud = np.zeros((2 * count, 4, 3), np.float32)
    bank = shape_bank.ShapeBank(points=cloud, colors=cloud.astype(np.uint8), colored=~real, real=real, labels=labels)
    rng = np.random.default_rng(0)
    drawn = [bank.draw("bell", rng) < count for _ in range(3000)]
    assert np.mean(drawn) == pytest.approx(count / (count + shape_bank.HALF_TRUST), abs=0.03)


def test_augmented_shapes_stay_in_the_unit_sphere():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (100, 3)).astype(np.float32)
    for _ in range(5):
        turned = shape_bank.augment(points, rng, turn=np.pi)
        assert np.linalg.norm(turned, axis=1).max() == pytest.approx(1, abs=1e-5)


def test_a_bank_is_cached_whole(tmp_path):
    bank = shape_bank.procedural_shapes(("bell",), range(2), 64)
    first = shape_bank.cached(tmp_path / "bank.npz", lambda: bank)
    second = shape_bank.cached(tmp_path / "bank.npz", lambda: pytest.fail("made again"))
    assert first is bank
    assert np.array_equal(second.points, bank.points)
    assert list(second.labels) == ["bell", "bell"]
