"""The parts of refinement, each against a brute-force or analytic oracle."""

import numpy as np
import pytest
import torch
from scenes import box_cloud
from scipy.spatial import cKDTree

from audio2shape_core.camera import Camera
from audio2shape_core.clouds import DISC_FLATNESS, DISC_WIDTH, farthest_points, spacing
from audio2shape_core.refinement.adam import Adam
from audio2shape_core.refinement.appearance import color_transfer, paint, spread_colors, visibility
from audio2shape_core.refinement.deformation import Deformation
from audio2shape_core.refinement.dense_cloud import halton, onto_surface, sample_cloud
from audio2shape_core.refinement.density import DensityControl
from audio2shape_core.refinement.symmetry import SmoothField
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import blending_weights, render

CAMERA = Camera.look_at(40, 20, width=40, height=32)


@pytest.fixture
def gaussians() -> Gaussians:
    return Gaussians.from_cloud(*box_cloud(count=400, seed=3))


def sphere(count: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_scales_are_distances_to_neighbours():
    points = sphere(300)
    distances = np.sort(np.linalg.norm(points[:, None] - points, axis=-1), axis=1)
    built = Gaussians.from_cloud(points, np.zeros((300, 3), np.uint8))
    expected = distances[:, 1:4].mean(1)
    expected = np.maximum(expected, np.percentile(expected, 5))
    assert np.allclose(built.scales[:, 0], DISC_WIDTH * expected, rtol=1e-4)


def test_discs_lie_in_the_surface():
    points = sphere(3000)
    built = Gaussians.from_cloud(points, np.zeros((3000, 3), np.uint8))
    normals = built.rotations()[:, :, 2].numpy()
    assert np.median(np.abs((normals * points).sum(1))) > 0.99
    assert torch.allclose(built.scales[:, 2], DISC_FLATNESS * built.scales[:, 0])


def test_repeated_points_have_a_size():
    points = np.concatenate([sphere(50)] * 8)
    assert np.isfinite(spacing(points)).all()
    assert spacing(points).min() > 0


def test_sums_of_blending_weights_are_those_of_brute_force(gaussians):
    """The image changes by the weight when one colour changes by one."""
    residual = torch.rand(CAMERA.height, CAMERA.width, generator=torch.Generator().manual_seed(0))
    values = torch.stack([residual, torch.ones_like(residual), 2 * residual, residual**2], -1)
    sums = blending_weights(gaussians, CAMERA, values)
    assert sums.shape == (400, 4)
    error, weight, twice, squares = sums.unbind(-1)
    assert torch.allclose(twice, 2 * error)
    for i in torch.argsort(weight, descending=True)[[0, 10, 50]]:
        brighter = gaussians.map(torch.clone)
        brighter.colors[i, 0] += 1
        share = (render(brighter, CAMERA).color - render(gaussians, CAMERA).color)[..., 0]
        assert weight[i] == pytest.approx(share.sum().item(), rel=1e-3)
        assert error[i] == pytest.approx((share * residual).sum().item(), rel=1e-3)
        assert squares[i] == pytest.approx((share * residual**2).sum().item(), rel=1e-3)


def test_what_is_in_front_is_seen_and_what_is_behind_is_not():
    camera = Camera.look_at(0, 0, width=48, height=48)
    grid = np.stack(np.meshgrid(np.linspace(-0.4, 0.4, 12), np.linspace(-0.4, 0.4, 12)), -1).reshape(-1, 2)
    plates = np.concatenate([np.insert(grid, 0, x, axis=1) for x in (0.3, -0.3)]).astype(np.float32)
    gaussians = Gaussians.from_cloud(plates, np.zeros((288, 3), np.uint8)).solid()
    gaussians.means[-1] += 50  # out of the picture
    seen = visibility(gaussians, camera)
    assert seen[:144].mean() > 0.2  # discs overlap, and share what is seen
    assert seen[144:].mean() < 0.02
    assert seen[-1] == 0
    alone = gaussians.map(lambda t: t[70:71])
    assert visibility(alone, camera).item() == pytest.approx(1, abs=0.03)


def test_density_control_prunes_the_faint_and_doubles_the_burdened(gaussians):
    gaussians.logit_opacities[:7] = -10
    error = torch.ones(400)
    error[100:110] = 50
    kept, doubled = DensityControl().choose(gaussians, error, 400)
    assert kept.tolist() == list(range(7, 400))
    assert kept[doubled].tolist() == list(range(100, 110))
    assert len(DensityControl(max_growth=0.9).choose(gaussians, error, 400)[1]) == 0
    changed, origin = DensityControl().change(gaussians, error, 400, torch.Generator())
    assert len(changed) == len(origin) == 403
    assert origin.tolist() == [*range(7, 100), *range(110, 400), *range(100, 110), *range(100, 110)]
    assert torch.equal(changed.colors, gaussians.colors[origin])


def test_doubling_keeps_the_middle_and_the_light(gaussians):
    first, second = DensityControl().double(gaussians, torch.Generator().manual_seed(0))
    assert torch.allclose((first.means + second.means) / 2, gaussians.means, atol=1e-6)
    assert not torch.allclose(first.means, gaussians.means, atol=1e-4)
    assert torch.allclose(1 - (1 - first.opacities) * (1 - second.opacities), gaussians.opacities, atol=1e-5)


def test_schedule_scales_with_the_budget():
    short, long = (DensityControl().steps(n) for n in (100, 1000))
    assert [10 * step for step in short] == pytest.approx(long, abs=10)
    assert 40 < short[0] < short[-1] <= 80


def test_dense_cloud_follows_opacity_and_area():
    points = sphere(1000)
    built = Gaussians.from_cloud(points, np.zeros((1000, 3), np.uint8))
    built.logit_opacities[:500] = -9
    _, _, source = sample_cloud(built, 4000)
    assert (source < 500).mean() < 0.01


def test_dense_cloud_and_every_beginning_of_it_are_spread_evenly():
    """Of two samples of as many points, the even one has the wider narrowest gaps."""
    built = Gaussians.from_cloud(sphere(2048), np.zeros((2048, 3), np.uint8))
    points, _, _ = sample_cloud(built, 4000)
    for count in (500, 4000):
        gap = cKDTree(points[:count]).query(points[:count], 2)[0][:, 1]
        chance = cKDTree(sphere(count)).query(sphere(count), 2)[0][:, 1]
        assert np.percentile(gap, 5) > 2 * np.percentile(chance, 5)


def test_halton_points_are_scipys():
    from scipy.stats import qmc

    expected = qmc.Halton(3, rng=np.random.default_rng(5)).random(1000)
    assert np.array_equal(halton(1000, np.random.default_rng(5).spawn(1)[0]), expected)


def test_dense_points_lie_closer_to_the_surface_than_the_centres():
    noisy = sphere(2048) + 0.03 * np.random.default_rng(1).normal(size=(2048, 3))
    smoothed = onto_surface(noisy, noisy)
    off = [np.abs(np.linalg.norm(p, axis=1) - 1).mean() for p in (noisy, smoothed)]
    assert off[1] < 0.6 * off[0]
    assert np.linalg.norm(smoothed - noisy, axis=1).max() <= np.median(spacing(noisy)) + 1e-9


def test_adam_is_torchs():
    """Same bits, also after the set of parameters changed its size."""
    rng = torch.Generator().manual_seed(0)
    ours = {"a": torch.randn(5, 3, generator=rng), "b": torch.randn(7, generator=rng)}
    theirs = [{"params": [value.clone().requires_grad_()], "lr": rate} for value, rate in zip(ours.values(), (0.1, 3))]
    ours = {name: value.requires_grad_() for name, value in ours.items()}
    adam, reference = Adam(ours, betas=(0.8, 0.95), eps=1e-9), torch.optim.Adam(theirs, betas=(0.8, 0.95), eps=1e-9)
    for _ in range(6):
        weights = torch.randn(5, 3, generator=rng)
        loss = lambda a, b: (weights * a).square().sum() + (b - b.mean()).abs().sum()  # noqa: E731, B023
        adam.step(loss(*adam.parameters.values()), {"a": 0.1, "b": 3.0})
        reference.zero_grad()
        loss(*(group["params"][0] for group in theirs)).backward()
        reference.step()
        assert all(torch.equal(p, group["params"][0]) for p, group in zip(adam.parameters.values(), theirs))
    index = torch.tensor([0, 2, 2, 4])
    adam.follow({"b": adam.parameters["b"].detach()[index].requires_grad_()}, index)
    assert torch.equal(adam.moments["b"][1], reference.state[theirs[1]["params"][0]]["exp_avg_sq"][index])


def test_farthest_points_spread_and_every_beginning_does():
    """By brute force: each is the one whose nearest among those before it is the farthest."""
    points = sphere(200)
    chosen = farthest_points(points, 60)
    assert len(set(chosen)) == 60
    for k in range(1, 60):
        nearest = np.linalg.norm(points[:, None] - points[chosen[:k]], axis=-1).min(1)
        assert nearest[chosen[k]] == pytest.approx(nearest.max(), rel=1e-5)


def lateral_deformation(points: np.ndarray) -> Deformation:
    axes = torch.tensor([[1.0, 0, 0], [0, 0, -1.0]])
    return Deformation(torch.from_numpy(points), axes, 0.1, field=SmoothField(0.5, 0.06, 48), symmetric=False)


def test_nothing_moves_along_the_line_of_sight():
    deformation = lateral_deformation(sphere(500))
    with torch.no_grad():
        deformation.bend.normal_()
        deformation.shift.normal_()
    moved = (deformation.means() - deformation.home).detach()
    assert not moved[:, 1].any()
    assert moved[:, 0].abs().mean() > 0.02


def test_the_smooth_field_has_its_prior():
    """Standard normal modes give a field of the stated deviation, that neighbours share and the far side does not."""
    points = sphere(500)
    deformation = lateral_deformation(points)
    draws = []
    for seed in range(200):
        with torch.no_grad():
            deformation.bend.normal_(generator=torch.Generator().manual_seed(seed))
        draws.append((deformation.means() - deformation.home).detach().numpy()[:, 0])
    draws = np.array(draws)  # (200, 500)
    assert np.sqrt(np.square(draws).mean()) == pytest.approx(0.06, rel=0.15)
    alike = np.corrcoef(draws.T)
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    assert alike[apart < 0.1].mean() > 0.95
    assert abs(alike[apart > 1.7].mean()) < 0.15


def test_moving_together_is_no_strain():
    deformation = lateral_deformation(sphere(500))
    with torch.no_grad():
        deformation.shift += 0.5
    assert deformation.strain().item() == pytest.approx(0, abs=1e-3)
    assert deformation.departure().item() == pytest.approx(0.5)
    with torch.no_grad():
        deformation.shift += torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    assert deformation.strain() > 1


def test_colours_of_the_whole_are_mapped_to_the_picture():
    """A faded, tinted rendering: the map that undoes it is found, from the pixels that both call object alone."""
    rng = torch.Generator().manual_seed(0)
    alpha = torch.rand(20, 20, generator=rng) * 0.4 + 0.6
    alpha[:5] = 0
    vivid = torch.rand(20, 20, 3, generator=rng) * alpha[..., None]
    faded = 0.6 * vivid + alpha[..., None] * torch.tensor([0.3, 0.1, 0.2])
    vivid[:5] = 1.0  # something else in the picture
    matrix, offset = color_transfer(faded, alpha, vivid, torch.ones(20, 20))
    assert torch.allclose(faded @ matrix.T + alpha[..., None] * offset, vivid * (alpha > 0)[..., None], atol=0.06)


def test_one_colour_is_moved_not_stretched():
    grey = torch.full((6, 6, 3), 0.5)
    matrix, offset = color_transfer(
        grey, torch.ones(6, 6), torch.tensor([0.8, 0.2, 0.1]).expand(6, 6, 3), torch.ones(6, 6)
    )
    assert torch.allclose(matrix, torch.eye(3), atol=0.02)
    assert torch.allclose(matrix @ grey[0, 0] + offset, torch.tensor([0.8, 0.2, 0.1]), atol=0.01)


def test_paint_gives_the_seen_their_pixels_and_leaves_the_hidden():
    """Two grey plates, one behind the other, and a picture that is red on the left and blue on the right."""
    camera = Camera.look_at(0, 0, width=48, height=48)
    grid = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 20), np.linspace(-0.5, 0.5, 20)), -1).reshape(-1, 2)
    plates = np.concatenate([np.insert(grid, 0, 0.3, axis=1), np.insert(0.7 * grid, 0, -0.3, axis=1)])
    grey = Gaussians.from_cloud(plates.astype(np.float32), np.full((800, 3), 128, np.uint8)).solid()
    out = render(grey, camera)
    target = torch.zeros(48, 48, 3)
    target[:, :24, 0], target[:, 24:, 2] = 1, 1
    painted = paint(grey, camera, target * out.alpha[..., None], out.alpha)
    column = torch.from_numpy(camera.project(grey.means.numpy())[0][:, 0])
    left, right, front = column < 20, column > 28, grey.means[:, 0] > 0
    assert torch.allclose(painted[front & left], torch.tensor([1.0, 0, 0]), atol=0.1)
    assert torch.allclose(painted[front & right], torch.tensor([0, 0, 1.0]), atol=0.1)
    assert torch.allclose(painted[~front], grey.colors[0], atol=0.05)


def test_unseen_colours_follow_the_mirror_image():
    """Imagined grey all over; the seen left half (y > 0) is red in front and blue behind."""
    points = torch.from_numpy(sphere(1500))
    imagined = torch.full((1500, 3), 0.5)
    red, blue = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9])
    truth = torch.where(points[:, :1] > 0, red, blue)
    seen = (points[:, 1] > 0).float()
    fitted = torch.where(seen[:, None] > 0, truth, imagined)
    result = spread_colors(points, fitted, imagined, seen)
    assert torch.equal(result[seen > 0], truth[seen > 0])
    clear = (seen == 0) & (points[:, 0].abs() > 0.3)
    assert (result - truth)[clear].abs().mean() < 0.06


def test_colours_imagined_right_stay():
    points = torch.from_numpy(sphere(500))
    colors = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    seen = (points[:, 2] > 0).float()
    assert torch.allclose(spread_colors(points, colors, colors, seen), colors, atol=1e-6)
