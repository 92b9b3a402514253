"""The three stages together, with the weights that ship."""

import time

import numpy as np
import pytest
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.checkpoint import WEIGHTS
from audio2shape_core.errors import Cancelled, DeadlineMissed
from audio2shape_core.frame import Frame
from audio2shape_core.splatting import Gaussians, render
from audio2shape_core.vocabulary import Vocabulary

if not (WEIGHTS / "denoiser.safetensors").is_file():
    pytest.skip("the shipped weights are not in this checkout", allow_module_level=True)

from audio2shape_core.clouds import isolation
from audio2shape_core.pipeline import AudioToShape
from audio2shape_core.settings import Refining, Sampling, Settings
from audio2shape_core.synthetic.sounds import synthesize


@pytest.fixture(scope="module")
def model():
    return AudioToShape.load(device="cpu")


@pytest.fixture(scope="module")
def bell():
    return synthesize("bell", 1)


def test_listening_scores_every_class(model, bell):
    heard = model.listen(bell)
    assert tuple(heard.scores) == model.vocabulary.names == Vocabulary.default().names
    assert heard.confidence == max(heard.scores.values())
    assert sum(heard.scores.values()) <= 1 + 1e-5
    assert np.linalg.norm(heard.embedding) == pytest.approx(1, abs=1e-4)


def test_loudness_changes_nothing(model, bell):
    first, second = model.listen(bell), model.listen(0.1 * bell)
    assert first.embedding @ second.embedding > 0.999


def test_one_seed_one_shape_and_another_another(model, bell):
    heard = model.listen(bell)
    first, again, other = (model.imagine(heard, Sampling(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)


def test_shapes_come_in_the_size_asked_for_about_the_unit_sphere(model, bell):
    heard = model.listen(bell)
    for count in (500, 2048, 5000):
        shape = model.imagine(heard, Sampling(steps=5, num_points=count))
        assert shape.points.shape == shape.colors.shape == (count, 3)
        assert np.percentile(np.linalg.norm(shape.points, axis=1), 99) < 1.2


def test_the_shape_stands_before_the_camera_in_metres(model, bell):
    shape = model.imagine(model.listen(bell), Sampling(steps=5))
    points = shape.points_in_camera()
    assert (points[:, 2] > 0).all()
    assert 0.01 < np.ptp(points, axis=0).max() < 60


@pytest.mark.parametrize("stage", ["encode", "diffuse", "decode_shape"])
def test_cancelling_stops_at_that_step(model, bell, stage):
    seen = []

    def stop(step):
        seen.append((step.stage, step.step))
        if step.stage == stage and step.step >= min(2, step.total):
            raise Cancelled

    with pytest.raises(Cancelled):
        model.generate(bell, on_step=stop)
    assert seen[-1][0] == stage


def scene(model, bell, **settings):
    """A picture of the very shape that will be imagined, from a view that is given with it."""
    coarse = model.imagine(model.listen(bell), Sampling(steps=4))
    camera = Camera.look_at(40, 15, width=96, height=96)
    with torch.no_grad():
        image = render(Gaussians.from_cloud(coarse.points, coarse.colors), camera, background=torch.ones(3)).color
    return Frame((255 * image.clamp(0, 1)).byte().numpy(), camera, **settings)


@pytest.mark.parametrize("pose_known", [True, False])
def test_every_stage_counts_up_to_its_total(model, bell, pose_known):
    steps = []
    settings = Settings(sampling=Sampling(steps=4), refining=Refining(iterations=6))
    run = model.generate(bell, frame=scene(model, bell, pose_known=pose_known), settings=settings, on_step=steps.append)
    stages = list(dict.fromkeys(s.stage for s in steps))
    assert stages == ["encode", "diffuse", "decode_shape"] + ["pose"] * (not pose_known) + ["refine"]
    for stage in stages:
        counted = [(s.step, s.total) for s in steps if s.stage == stage]
        assert counted == sorted(counted)
        assert counted[-1][0] == counted[-1][1]
        assert run.timings_ms[stage] > 0
    assert len([s for s in steps if s.stage == "diffuse"]) == 4
    assert run.pose_source == ("given" if pose_known else "fitted")
    assert sum(ms for stage, ms in run.timings_ms.items() if stage != "total") <= run.timings_ms["total"]


def test_an_image_without_an_object_is_not_used_and_the_result_says_why(model, bell):
    grey = Frame(np.full((64, 64, 3), 128, np.uint8))
    run = model.generate(bell, frame=grey, settings=Settings(sampling=Sampling(steps=2)))
    assert run.shape is run.coarse
    assert run.pose_source == "assumed"
    assert run.notice == "image not used: the object was not found in the image"


def test_white_noise_is_called_unknown(model):
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    run = model.generate(noise, settings=Settings(sampling=Sampling(steps=2)))
    assert not run.known
    assert run.notice.startswith(f"unknown sound, most like {run.heard.label}")


def test_a_deadline_before_the_shape_is_missed_and_one_before_the_image_leaves_the_shape(model, bell):
    with pytest.raises(DeadlineMissed):
        model.generate(bell, deadline=time.monotonic() - 1)

    def linger(step):
        if step.stage == "decode_shape":
            time.sleep(max(0.0, deadline - time.monotonic()))

    deadline = time.monotonic() + 2
    frame = Frame(np.full((64, 64, 3), 128, np.uint8))
    settings = Settings(sampling=Sampling(steps=1))
    run = model.generate(bell, frame=frame, settings=settings, deadline=deadline, on_step=linger)
    assert run.refined is None
    assert run.notice == "image not used: no time was left before the deadline"


def test_a_refinement_that_fails_leaves_the_shape(model, bell, monkeypatch):
    def fail(*_, **__):
        raise ModuleNotFoundError("No module named 'gsplat'")

    monkeypatch.setattr("audio2shape_core.refinement.refine", fail)
    run = model.generate(bell, frame=scene(model, bell), settings=Settings(sampling=Sampling(steps=1)))
    assert run.shape is run.coarse
    assert run.notice == "image not used: ModuleNotFoundError: No module named 'gsplat'"


def test_estimates_on_the_way_approach_the_shape_and_do_not_change_it(model, bell):
    heard, estimates = model.listen(bell), []

    def follow(step):
        estimates.append((step.stage, step.step, step.estimate()))

    shape = model.imagine(heard, Sampling(steps=8), on_step=follow)
    assert [(stage, step) for stage, step, _ in estimates[:-1]] == [("diffuse", i + 1) for i in range(8)]
    assert np.array_equal(shape.points, model.imagine(heard, Sampling(steps=8)).points)
    off = [np.linalg.norm(e.points - shape.points, axis=1).mean() for *_, e in estimates]
    assert off[-2] < 1e-3 < off[3] < off[0]
    assert off[-1] == 0
    assert estimates[0][2].label == shape.label


def test_strays_are_trusted_less():
    points = np.random.default_rng(0).uniform(-0.2, 0.2, (500, 3))
    points[0] = (1, 1, 1)
    trust = isolation(points)
    assert trust[0] == trust.min() < 0.3
    assert np.median(trust) == 1
