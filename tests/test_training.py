"""The loop and the banks that feed it, on data small enough to train in seconds."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from audio2shape_core.data import image_bank, shape_bank, sound_bank
from audio2shape_core.data.rows import Rows, RowsByClass, file_states
from audio2shape_core.errors import InputError
from audio2shape_core.presets import Optimization
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.synthetic.sounds import effects
from audio2shape_core.training.loop import batches, fit, follow, learning_rate

CPU = torch.device("cpu")
CONFIG = Optimization(60, 8, 0.05, 0.0, warmup_steps=5, ema_decay=0.9)


def linear_problem():
    """y = 3 x - 1 with batches seeded by the step, as every recipe's are."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)

    def losses(step):
        x = torch.randn(8, 1, generator=torch.Generator().manual_seed(step))
        return {"error": (model(x).float() - (3 * x - 1)).square().mean()}

    return model, losses


def test_the_loop_minimises_and_logs(tmp_path):
    config = Optimization(400, 8, 0.05, 0.0, warmup_steps=5, ema_decay=0.9)
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


def test_an_interrupted_run_keeps_the_step_it_was_in(tmp_path):
    """Ctrl-C in the middle of a step: the step ends, its state is kept, and the run goes on from there."""
    model, losses = linear_problem()
    whole = fit(model, losses, CONFIG, tmp_path / "whole", resume=False, device=CPU)
    model, losses = linear_problem()

    def interrupted(step):
        if step == 30:
            os.kill(os.getpid(), signal.SIGINT)
        return losses(step)

    with pytest.raises(KeyboardInterrupt):
        fit(model, interrupted, CONFIG, tmp_path / "broken", resume=False, device=CPU)
    assert torch.load(tmp_path / "broken/state.pt", weights_only=True)["step"] == 31
    model, losses = linear_problem()
    resumed = fit(model, losses, CONFIG, tmp_path / "broken", resume=True, device=CPU)
    assert torch.equal(whole.weight, resumed.weight)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("content", [b"", b"no state", "another model"])
def test_a_state_that_is_none_of_this_model_is_refused(tmp_path, content):
    if content == "another model":
        fit(
            nn.Linear(1, 2),
            lambda _: {"zero": torch.zeros((), requires_grad=True)},
            CONFIG,
            tmp_path,
            resume=False,
            device=CPU,
        )
    else:
        (tmp_path / "state.pt").write_bytes(content)
    model, losses = linear_problem()
    with pytest.raises(InputError, match="cannot go on from .*state.pt") as caught:
        fit(model, losses, CONFIG, tmp_path, resume=True, device=CPU)
    assert "\n" not in str(caught.value)


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
    limited = np.abs(np.fft.rfft(effects.limit_band(noise, 4000)))
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
    renders = RowsByClass.of(
        {"bell": 3, "harp": 3}, [("picture", np.uint8, (40, 40, 4))], lambda _, indices: [{"picture": 0}] * len(indices)
    )
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
    noise = effects.add_noise(clean, snr, rng) - clean
    assert 10 * np.log10(np.mean(clean**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.01)


def test_speed_moves_pitch_and_length():
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    faster = effects.change_speed(tone, 1.25)
    assert len(faster) == pytest.approx(12_800, abs=2)
    peak = np.abs(np.fft.rfft(faster)).argmax() * 16_000 / len(faster)
    assert peak == pytest.approx(550, abs=2)


def test_masking_blanks_bands_and_a_stretch_and_tilts_the_rest():
    blanked = []
    for seed in range(200):
        mel = np.ones((64, 200), np.float32)
        sound_bank.mask_spectrogram(mel, np.random.default_rng(seed))
        bands, stretch = (mel == 0).all(axis=1), (mel == 0).all(axis=0)
        assert bands.sum() <= 16  # two of at most an eighth of 64
        assert stretch.sum() <= 40  # one of at most a fifth of 200
        assert np.array_equal(mel == 0, bands[:, None] | stretch[None])
        kept = mel[~bands][:, ~stretch]
        assert np.allclose(kept, kept[:, :1])  # nothing else changes along time,
        slope = np.polyfit(np.linspace(-1, 1, 64)[~bands], kept[:, 0], 1)
        assert np.allclose(np.polyval(slope, np.linspace(-1, 1, 64)[~bands]), kept[:, 0], atol=1e-5)  # a line along mel
        blanked.append((bands.sum(), stretch.sum(), slope[0]))
    bands, stretch, slopes = np.array(blanked).T
    assert bands.mean() == pytest.approx(8, abs=1.5)  # two draws of 0..8, that may overlap
    assert stretch.mean() == pytest.approx(20, abs=3)
    assert slopes.std() == pytest.approx(0.25, rel=0.2)


def test_shapes_are_drawn_real_or_made_in_the_stated_proportion():
    count, fields = 60, [("real", bool, ())]
    real, made = (
        Rows(count, fields, lambda indices, is_real=r: [{"real": is_real}] * len(indices)) for r in (True, False)
    )
    bank = shape_bank.ShapeBank({"bell": (real, made)})
    rng = np.random.default_rng(0)
    drawn = [bank.draw("bell", rng)["real"] for _ in range(3000)]
    assert np.mean(drawn) == pytest.approx(count / (count + shape_bank.HALF_TRUST), abs=0.03)


def test_augmented_shapes_stay_in_the_unit_sphere():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (100, 3)).astype(np.float32)
    for _ in range(5):
        turned = shape_bank.augment(points, rng, turn=np.pi)
        assert np.linalg.norm(turned, axis=1).max() == pytest.approx(1, abs=1e-5)


def numbered(count, folder=None, made_of="", shown=None):
    """A table of the squares of its indices, and the indices it was asked to make."""
    asked = [] if shown is None else shown

    def make(indices):
        asked.extend(indices)
        return ({"value": index**2} for index in indices)

    return Rows(count, [("value", np.int64, (2,))], make, folder=folder, name="squares/of: me", made_of=made_of), asked


def test_rows_are_made_when_they_are_drawn_and_only_once(tmp_path):
    rows, asked = numbered(10, tmp_path)
    assert rows.take([3, 1, 3])["value"].tolist() == [[9, 9], [1, 1], [9, 9]]
    assert rows.take([1, 4])["value"].tolist() == [[1, 1], [16, 16]]
    assert asked == [1, 3, 4]
    later, asked = numbered(10, tmp_path)
    assert later.take([4, 3, 5])["value"][:, 0].tolist() == [16, 9, 25]
    assert asked == [5]


def test_rows_survive_an_interruption_and_nothing_half_made_does(tmp_path):
    def make(indices):
        for index in indices:
            if index == 5:
                raise KeyboardInterrupt
            yield {"value": index**2}

    rows = Rows(10, [("value", np.int64, (2,))], make, folder=tmp_path, name="squares/of: me")
    with pytest.raises(KeyboardInterrupt):
        rows.take(range(10))
    later, asked = numbered(10, tmp_path)
    assert later.take(range(10))["value"][:, 0].tolist() == [n**2 for n in range(10)]
    assert asked == [5, 6, 7, 8, 9]


def test_rows_of_other_data_are_made_again_and_the_stale_ones_go(tmp_path):
    numbered(10, tmp_path, "one")[0].take([2])
    rows, asked = numbered(10, tmp_path, "another")
    rows.take([2])
    assert asked == [2]
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_rows_are_made_again(tmp_path):
    numbered(10, tmp_path)[0].take([2])
    (path,) = tmp_path.iterdir()
    for content in (b"", b"\x93NUMPY\x01\x00((((", path.read_bytes()[:150]):
        path.write_bytes(content)
        rows, asked = numbered(10, tmp_path)
        assert rows.take([2])["value"].tolist() == [[4, 4]]
        assert asked == [2]


def test_changed_recordings_are_noticed(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    before = file_states([path, tmp_path / "none.wav"])
    assert file_states([path, tmp_path / "none.wav"]) == before
    path.write_bytes(b"another")
    assert file_states([path, tmp_path / "none.wav"]) != before


def test_classes_keep_their_order_in_a_batch():
    tables = {
        label: Rows(5, [("who", np.int64, ())], lambda i, n=n: [{"who": n}] * len(i)) for n, label in enumerate("abc")
    }
    drawn = RowsByClass(tables).draw(np.array(list("cabba")), np.random.default_rng(0))
    assert drawn["who"].tolist() == [2, 0, 1, 1, 0]
