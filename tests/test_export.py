"""Splat files, read back field by field."""

import numpy as np
import pytest
from scenes import box_cloud

from audio2shape_core.formats import gaussians_ply, ply, splat
from audio2shape_core.splats import Splats
from audio2shape_core.splatting.gaussians import Gaussians


@pytest.fixture
def splats() -> Splats:
    """Random, with turns of every kind, from nearly clear to nearly solid."""
    rng = np.random.default_rng(0)
    points, colors = box_cloud(count=50)
    quats = rng.normal(size=(50, 4))
    opacities, scales = np.linspace(0.01, 0.99, 50), rng.uniform(0.01, 0.2, (50, 3))
    return Splats.read(points, quats, scales, opacities, colors / 255.0)


def test_gaussians_and_splats_are_the_same_primitives(splats):
    back = Gaussians.from_splats(splats).to_splats()
    for name, values in vars(splats).items():
        assert getattr(back, name).dtype == np.float32
        assert np.allclose(getattr(back, name), values, rtol=1e-6, atol=1e-6), name
    cloud = box_cloud(count=300)
    ours, theirs = Splats.from_cloud(*cloud), Gaussians.from_cloud(*cloud)
    assert np.allclose(ours.scales, theirs.scales)
    assert np.allclose(ours.opacities, theirs.opacities)
    assert np.array_equal(ours.quats, theirs.quats.numpy())
    turned = theirs.rotations() * theirs.scales[:, None]
    assert np.allclose(ours.covariances, turned @ turned.mT, atol=1e-7)


def test_ply_comes_back_the_same(splats):
    back = gaussians_ply.decode(ply.read_vertices(gaussians_ply.encode(splats))[0])
    assert np.array_equal(back.means, splats.means)
    for name, values in vars(splats).items():
        assert np.allclose(getattr(back, name), values, rtol=1e-6, atol=1e-6), name


def test_ply_rows_are_those_of_the_reference_code(splats):
    head, body = gaussians_ply.encode(splats).split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 50"]
    rest = " ".join(f"f_rest_{i}" for i in range(45))
    names = f"x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 {rest} opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    assert lines[3:] == [f"property float {name}" for name in names.split()]
    assert len(body) == 50 * 248


def test_splat_rows(splats):
    data = splat.encode(splats)
    assert len(data) == 32 * 50
    rows = np.frombuffer(data, np.uint8).reshape(50, 32)
    numbers = rows[:, :24].copy().view("<f4")
    order = np.argsort(-splats.opacities * splats.scales.prod(1), kind="stable")
    assert np.array_equal(numbers[:, :3], splats.means[order])
    assert np.array_equal(numbers[:, 3:], splats.scales[order])
    assert np.allclose(rows[:, 24:27], 255 * splats.colors[order], atol=0.51)
    assert np.allclose(rows[:, 27], 255 * splats.opacities[order], atol=0.51)
    assert np.allclose((rows[:, 28:] - 128.0) / 128, splats.quats[order], atol=0.01)


def test_splat_comes_back_but_for_its_eight_bit_fields(splats):
    order = np.argsort(-splats.opacities * splats.scales.prod(1), kind="stable")
    back = splat.decode(splat.encode(splats))
    assert np.array_equal(back.means, splats.means[order])
    assert np.array_equal(back.scales, splats.scales[order])
    assert np.allclose(back.colors, splats.colors[order], atol=2.01e-3)
    assert np.allclose(back.opacities, splats.opacities[order], atol=2.01e-3)
    assert np.allclose(back.covariances, splats.covariances[order], atol=1e-3)


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[:-5], lambda d: b"junk" * 9])
def test_damaged_ply_is_refused(splats, damage):
    with pytest.raises(ValueError, match="cut short|no PLY header"):
        ply.read_vertices(damage(gaussians_ply.encode(splats)))
