"""The measures of `evaluate refinement`, on one toy and on shapes whose symmetry is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import box_cloud

from audio2shape_core.camera import Camera
from audio2shape_core.evaluation.circumstances import bar, before_clutter
from audio2shape_core.evaluation.metrics import chamfer
from audio2shape_core.evaluation.refinement import half_chamfers, measure_refinement, rotation_error
from audio2shape_core.evaluation.scene import Scene
from audio2shape_core.evaluation.task import Sizes, Task
from audio2shape_core.evaluation.visibility import seen_points
from audio2shape_core.synthetic.shapes import procedural_shape

VIEW = Camera.look_at(30, 20, width=64, height=64)


@pytest.fixture(scope="module")
def results():
    shapes = [("lorry", *box_cloud(count=4096)), ("bell", *procedural_shape("bell", 3, 4096))]
    sizes = Sizes(iterations=60, side=72, harder=1)
    return measure_refinement(shapes, Task(Path(), "test", Path(), torch.device("cpu"), sizes=sizes))


def test_refinement_helps_where_the_truth_is_known(results):
    assert results["l1_view"] < 0.01
    assert results["psnr_held_out"] > results["psnr_held_out_before"]
    assert results["cd_floor"] < results["cd_after"] < results["cd_before"]
    assert results["pose_error_deg"] < 8
    assert set(results["seconds"]) == {"pose", "refine"}
    assert {"l1_held_out_views", "cd_seen_resampled", "cd_unseen_after"} <= set(results)
    assert results["num_shapes"] == 2
    assert set(results["per_class"]) == {"lorry", "bell"}
    per_class = [results["per_class"][label]["l1_view"] for label in ("lorry", "bell")]
    assert results["l1_view"] == pytest.approx(np.mean(per_class))


def test_another_of_the_class_starts_further_away_and_comes_closer(results):
    """Only bells can be made: there is one."""
    bell, other = results["per_class"]["bell"], results["other_instance"]
    assert other["cd_before"] > 1.2 * bell["cd_before"]
    assert other["cd_after"] < other["cd_before"]


def test_harder_circumstances_cost_something(results):
    assert results["pose_unknown"]["accepted"] == 1
    assert results["l1_view_estimated"] == results["pose_unknown"]["l1_view"] < 0.01
    assert 0.5 < results["cluttered"]["mask_overlap"] < 1
    assert results["occluded"]["l1_view"] > results["per_class"]["lorry"]["l1_view"]
    assert results["wrong_object"]["confidence"] < results["wrong_object"]["right_confidence"]


def test_clutter_leaves_the_object_and_a_bar_hides_a_fifth():
    scene = Scene.draw("lorry", *box_cloud(count=4096), 72, np.random.default_rng(0))
    picture = before_clutter(scene.image, scene.alpha, np.random.default_rng(1))
    object_, background = scene.alpha > 0.99, scene.alpha < 0.01
    assert np.abs(picture[object_].astype(float) - scene.image[object_]).mean() < 6
    assert picture[background].std() > 40
    hidden = bar(scene.alpha, np.random.default_rng(2))
    assert hidden[scene.alpha > 0.5].mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("turn", [90, 47])
def test_symmetric_shapes_forgive_their_own_turns(turn):
    """A square grey slab looks the same every 90 degrees; a lorry never does."""
    turned = Camera.look_at(30 - turn, 20, width=64, height=64)
    slab = box_cloud((((0, 0, 0), (0.6, 0.6, 0.3), (90, 90, 90)),), count=8192)
    slab = slab[0], np.full_like(slab[1], 90)
    lorry = box_cloud(count=8192)
    assert rotation_error(turned, VIEW, *lorry) == pytest.approx(turn, abs=6)
    expected = 0 if turn == 90 else 43
    assert rotation_error(turned, VIEW, *slab) == pytest.approx(expected, abs=6)


@pytest.mark.parametrize("spoil_seen", [True, False])
def test_halves_tell_the_seen_side_from_the_other(spoil_seen):
    """Of a sphere, the side that is left as it is has no error but at the seam, the other its whole error."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4096, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    spoiled_side = (points @ VIEW.position > 1) == spoil_seen
    spoiled = points + 0.03 * rng.normal(size=points.shape) * spoiled_side[:, None]
    halves = half_chamfers(spoiled, points, seen_points(points, VIEW))
    bad, good = halves if spoil_seen else halves[::-1]
    whole = chamfer(spoiled[spoiled_side], points[spoiled_side])
    assert bad == pytest.approx(whole, rel=0.15)
    assert good < 0.1 * bad


def test_the_truth_alone_divides_both_clouds():
    """A far side pushed through the near one is still the far side's error."""
    rng = np.random.default_rng(1)
    grid = rng.uniform(-0.5, 0.5, (2000, 2))
    truth = np.concatenate([np.insert(grid, 0, 0.3, axis=1), np.insert(grid, 0, -0.3, axis=1)])
    camera = Camera.look_at(0, 0, 4.0, width=64, height=64)
    seen = seen_points(truth, camera)
    assert seen[:2000].all()
    assert seen[2000:].mean() < 0.4
    moved = truth.copy()
    moved[2000:, 0] -= 0.1
    near, far = half_chamfers(moved, truth, seen)
    assert near == pytest.approx(0, abs=0.05)
    assert far > 0.1


def test_a_half_without_points_is_not_a_number():
    points = np.random.default_rng(2).random((50, 3))
    seen, unseen = half_chamfers(points, points, np.ones(50, bool))
    assert seen == 0
    assert np.isnan(unseen)
