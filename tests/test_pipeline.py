"""The three stages together, with the weights that ship."""

import numpy as np
import pytest

from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.errors import Cancelled
from audio2shape_core.vocabulary import VOCABULARY

if not (WEIGHTS / "denoiser.safetensors").is_file():
    pytest.skip("the shipped weights are not in this checkout", allow_module_level=True)

from audio2shape_core.pipeline import AudioToShape, isolation
from audio2shape_core.synthetic.sounds import synthesize


@pytest.fixture(scope="module")
def model():
    return AudioToShape.load(device="cpu")


@pytest.fixture(scope="module")
def bell():
    return synthesize("bell", 1)


def test_listening_scores_every_class(model, bell):
    heard = model.listen(bell)
    assert set(heard.scores) == set(VOCABULARY)
    assert heard.confidence == max(heard.scores.values())
    assert sum(heard.scores.values()) <= 1 + 1e-5
    assert np.linalg.norm(heard.embedding) == pytest.approx(1, abs=1e-4)


def test_loudness_changes_nothing(model, bell):
    first, second = model.listen(bell), model.listen(0.1 * bell)
    assert first.embedding @ second.embedding > 0.999


def test_one_seed_one_shape_and_another_another(model, bell):
    heard = model.listen(bell)
    first, again, other = (model.imagine(heard, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)


def test_shapes_come_in_the_size_asked_for_about_the_unit_sphere(model, bell):
    heard = model.listen(bell)
    for count in (500, 2048, 5000):
        shape = model.imagine(heard, num_points=count, steps=5)
        assert shape.points.shape == shape.colors.shape == (count, 3)
        assert np.percentile(np.linalg.norm(shape.points, axis=1), 99) < 1.2


def test_the_shape_stands_before_the_camera_in_metres(model, bell):
    shape = model.imagine(model.listen(bell), steps=5)
    points = shape.points_in_camera()
    assert (points[:, 2] > 0).all()
    assert 0.01 < np.ptp(points, axis=0).max() < 60


@pytest.mark.parametrize("stage", ["encode", "diffuse", "decode_shape"])
def test_cancelling_stops_at_that_step(model, bell, stage):
    seen = []

    def stop(name, step, total):
        seen.append((name, step))
        if name == stage and step >= min(2, total):
            raise Cancelled

    with pytest.raises(Cancelled):
        model.generate(bell, progress=stop)
    assert seen[-1][0] == stage


def test_progress_counts_every_diffusion_step(model, bell):
    steps = []
    model.generate(bell, steps=6, progress=lambda stage, step, total: steps.append((stage, step, total)))
    assert [s for s in steps if s[0] == "diffuse"] == [("diffuse", i + 1, 6) for i in range(6)]


def test_estimates_on_the_way_approach_the_shape_and_do_not_change_it(model, bell):
    heard, estimates = model.listen(bell), []
    shape = model.imagine(heard, steps=8, on_estimate=lambda *told: estimates.append((*told[:2], told[2]())))
    assert [(step, total) for step, total, _ in estimates] == [(i + 1, 8) for i in range(8)]
    assert np.array_equal(shape.points, model.imagine(heard, steps=8).points)
    off = [np.linalg.norm(e.points - shape.points, axis=1).mean() for *_, e in estimates]
    assert off[-1] < 1e-3 < off[3] < off[0]
    assert estimates[0][2].label == shape.label


def test_strays_are_trusted_less():
    points = np.random.default_rng(0).uniform(-0.2, 0.2, (500, 3))
    points[0] = (1, 1, 1)
    trust = isolation(points)
    assert trust[0] == trust.min() < 0.3
    assert np.median(trust) == 1
