"""The tile rasteriser against a dense torch twin, gsplat's own projection, and gsplat on CUDA where there is one."""

import numpy as np
import pytest
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.splatting import cpu_kernels
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.projection import EPS2D, project
from audio2shape_core.splatting.rasterizer import render
from audio2shape_core.splatting.reference import render_dense

CAMERA = Camera.look_at(35, 20, 3.0, width=45, height=37)  # not a multiple of the tile size


def scene(seed: int, count: int = 120, spread: float = 0.6, scale: float = 0.08) -> Gaussians:
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=rng)

    return Gaussians(
        means=spread * normal(count, 3),
        quats=normal(count, 4),
        log_scales=np.log(scale) + 0.7 * normal(count, 3),
        logit_opacities=1.5 * normal(count),
        colors=torch.rand(count, 3, generator=rng),
    )


def gradients(renderer, gaussians: Gaussians, camera: Camera, seed: int = 0) -> dict[str, torch.Tensor]:
    """Gradients of a random linear functional of colour and alpha, for every parameter and the pose."""
    gaussians = gaussians.map(lambda t: t.detach().clone().requires_grad_())
    pose = torch.tensor(camera.world_to_camera, dtype=torch.float32, requires_grad=True)
    out = renderer(gaussians, camera, world_to_camera=pose)
    rng = torch.Generator().manual_seed(seed)
    loss = sum((t * torch.randn(t.shape, generator=rng)).sum() for t in (out.color, out.alpha))
    loss.backward()
    return {name: t.grad for name, t in vars(gaussians).items()} | {"pose": pose.grad}


def assert_same(gaussians: Gaussians, camera: Camera = CAMERA) -> None:
    fast, dense = render(gaussians, camera), render_dense(gaussians, camera)
    assert torch.isfinite(fast.color).all()
    assert (fast.color - dense.color).abs().max() <= 1e-3
    assert (fast.alpha - dense.alpha).abs().max() <= 1e-3
    expected = gradients(render_dense, gaussians, camera)
    for name, got in gradients(render, gaussians, camera).items():
        error = (got - expected[name]).norm() / expected[name].norm().clamp(min=1e-6)
        assert error <= 1e-2, f"gradient of {name}: relative error {error:.2e}"


@pytest.mark.parametrize("seed", range(4))
def test_random_scenes_match_the_dense_twin(seed):
    assert_same(scene(seed))


@pytest.mark.parametrize("scale", [1e-4, 1.5])
def test_tiny_and_huge_gaussians(scale):
    assert_same(scene(10, count=40, scale=scale))


def test_gaussians_behind_the_camera_and_off_screen():
    gaussians = scene(11, spread=4.0)
    extents = project(gaussians, CAMERA, torch.tensor(CAMERA.world_to_camera, dtype=torch.float32)).extents
    behind = CAMERA.project(gaussians.means.numpy())[1] < 0
    assert behind.any()
    assert (extents[torch.from_numpy(behind)] == 0).all()
    assert (extents > 0).any()
    assert_same(gaussians)


def test_opaque_layers_stop_the_light():
    gaussians = scene(12, count=300, spread=0.2, scale=0.2)
    gaussians.logit_opacities += 6
    assert render(gaussians, CAMERA).alpha.max() > 0.999
    assert_same(gaussians)


def test_nothing_in_view_is_the_background():
    gaussians = scene(13)
    gaussians.means += torch.tensor([0.0, 0.0, 50.0])
    background = torch.tensor([0.2, 0.4, 0.6])
    out = render(gaussians, CAMERA, background=background)
    assert torch.equal(out.color, background.expand_as(out.color))
    assert not out.alpha.any()


def test_one_gaussian_by_hand():
    """A round, centred Gaussian: alpha falls as opacity exp(-r^2 / 2 s^2) with s^2 = (f scale / z)^2 + 0.3."""
    camera = Camera(33, 33, 40, 40, 16.5, 16.5)
    one = Gaussians(
        torch.tensor([[0.0, 0, 2]]),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.full((1, 3), 0.2).log(),
        torch.tensor([0.7]).logit(),
        torch.tensor([[1.0, 0.5, 0]]),
    )
    out = render(one, camera)
    offsets = torch.arange(33) - 16.0
    expected = 0.7 * torch.exp(-(offsets**2) / (2 * (4.0**2 + EPS2D)))
    expected[expected < 1 / 255] = 0
    assert torch.allclose(out.alpha[16], expected, atol=1e-5)
    assert torch.allclose(out.color[16, 16], torch.tensor([0.7, 0.35, 0.0]), atol=1e-5)


def test_projection_matches_gsplat():
    torch_impl = pytest.importorskip("gsplat.cuda._torch_impl")
    gaussians = scene(14, spread=2.0)
    pose = torch.tensor(CAMERA.world_to_camera, dtype=torch.float32)
    ours = project(gaussians, CAMERA, pose)
    covariances, _ = torch_impl._quat_scale_to_covar_preci(gaussians.quats, gaussians.scales, True, False)
    intrinsics = torch.tensor(CAMERA.intrinsics, dtype=torch.float32)
    _, means2d, depths, conics, _ = torch_impl._fully_fused_projection(
        gaussians.means, covariances, pose[None], intrinsics[None], CAMERA.width, CAMERA.height
    )
    drawn = ours.extents[:, 0] > 0
    assert drawn.sum() > 10
    assert torch.allclose(ours.means2d[drawn], means2d[0, drawn], rtol=1e-4, atol=1e-3)
    assert torch.allclose(ours.depths[drawn], depths[0, drawn], rtol=1e-5)
    assert torch.allclose(ours.conics[drawn], conics[0, drawn], rtol=1e-3, atol=1e-5)


def test_same_bits_on_any_number_of_threads(monkeypatch):
    gaussians = scene(15, count=500)
    runs = []
    for workers in (1, 4):
        monkeypatch.setattr(cpu_kernels, "WORKERS", workers)
        runs.append({"color": render(gaussians, CAMERA).color} | gradients(render, gaussians, CAMERA))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_backend_matches_the_cpu():
    pytest.importorskip("gsplat")
    gaussians = scene(16)
    cpu, cuda = render(gaussians, CAMERA), render(gaussians.to("cuda"), CAMERA)
    assert (cpu.color - cuda.color.cpu()).abs().max() <= 2e-3
    assert (cpu.alpha - cuda.alpha.cpu()).abs().max() <= 2e-3
