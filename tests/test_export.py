"""Splat files, read back field by field."""

import numpy as np
import pytest
import torch
from scenes import box_cloud

from audio2shape_core.errors import InputError
from audio2shape_core.formats.splats import from_ply, from_splat, to_ply, to_splat
from audio2shape_core.splatting.gaussians import Gaussians


@pytest.fixture
def gaussians() -> Gaussians:
    built = Gaussians.from_cloud(*box_cloud(count=50))
    built.logit_opacities += torch.linspace(-2, 2, 50)
    built.quats *= 3  # viewers must get unit quaternions in .splat
    return built


def test_ply_comes_back_the_same(gaussians):
    back = from_ply(to_ply(gaussians))
    for name, tensor in vars(gaussians).items():
        assert torch.allclose(getattr(back, name), tensor, atol=1e-6), name


def test_ply_header_is_what_viewers_expect(gaussians):
    header = to_ply(gaussians).split(b"end_header\n")[0].decode().splitlines()
    assert header[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 50"]
    assert [line.split()[-1] for line in header[3:]] == (
        [
            "x",
            "y",
            "z",
            "nx",
            "ny",
            "nz",
            "f_dc_0",
            "f_dc_1",
            "f_dc_2",
            "opacity",
            "scale_0",
            "scale_1",
            "scale_2",
            "rot_0",
            "rot_1",
            "rot_2",
            "rot_3",
        ]
    )


def test_splat_rows(gaussians):
    data = to_splat(gaussians)
    assert len(data) == 32 * 50
    rows = np.frombuffer(data, np.uint8).reshape(50, 32)
    numbers = rows[:, :24].copy().view("<f4")
    importance = gaussians.opacities.numpy() * gaussians.scales.numpy().prod(1)
    order = np.argsort(-importance, kind="stable")
    assert np.allclose(numbers[:, :3], gaussians.means.numpy()[order])
    assert np.allclose(numbers[:, 3:], gaussians.scales.numpy()[order])
    assert np.allclose(rows[:, 24:27], 255 * gaussians.colors.numpy()[order], atol=0.51)
    assert np.allclose(rows[:, 27], 255 * gaussians.opacities.numpy()[order], atol=0.51)
    assert np.allclose((rows[:, 28:] - 128.0) / 128, gaussians.quats.numpy()[order] / 3, atol=0.01)


def test_splat_comes_back_but_for_its_eight_bit_fields(gaussians):
    order = torch.argsort(gaussians.opacities * gaussians.scales.prod(1), descending=True, stable=True)
    back, sorted_ = from_splat(to_splat(gaussians)), gaussians.map(lambda t: t[order])
    assert torch.equal(back.means, sorted_.means)
    assert torch.allclose(back.scales, sorted_.scales)
    assert torch.allclose(back.colors, sorted_.colors, atol=2e-3)
    assert torch.allclose(back.opacities, sorted_.opacities, atol=2e-3)
    assert torch.allclose(back.rotations(), sorted_.rotations(), atol=0.03)


@pytest.mark.parametrize(
    "damage", [lambda d: b"", lambda d: d[:-5], lambda d: d.replace(b"f_dc_0", b"f_xx_0"), lambda d: b"junk" * 9]
)
def test_damaged_ply_is_refused(gaussians, damage):
    with pytest.raises(InputError, match="expected"):
        from_ply(damage(to_ply(gaussians)))
