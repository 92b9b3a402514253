from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio2shape_core.clouds import resize_cloud
from audio2shape_core.errors import InputError
from audio2shape_core.shape import Shape, Splats


def make_shape(count=50, seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, 3] = (0, 0, 2)
    matrix[:3, :3] *= 0.5
    return Shape(
        rng.uniform(-1, 1, (count, 3)).astype(np.float32),
        rng.integers(0, 256, (count, 3)).astype(np.uint8),
        rng.random(count).astype(np.float32),
        "guitar",
        {"guitar": 0.75, "violin": 0.25},
        matrix,
    )


@pytest.mark.parametrize("suffix", [".ply", ".npz"])
def test_files_give_back_what_was_saved(tmp_path, suffix):
    shape = make_shape()
    shape.save(tmp_path / f"a{suffix}")
    back = Shape.load(tmp_path / f"a{suffix}")
    for name in ("points", "colors", "confidence"):
        assert np.array_equal(getattr(shape, name), getattr(back, name))
    assert back.label == "guitar"
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]
    if suffix == ".npz":
        assert dict(back.scores) == dict(shape.scores)
        assert np.array_equal(back.camera_from_shape, shape.camera_from_shape)


def test_a_shape_says_which_way_it_faces():
    towards = np.diag([1.0, 1.0, 1.0, 1.0])
    towards[:3, :3] = 2.5 * np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])  # 2.5 m a unit; its front looks at the camera
    facing = Shape(**{**vars(make_shape()), "camera_from_shape": towards})
    assert np.allclose(facing.front_in_camera(), [0, 0, -1])


def test_an_independent_reader_understands_the_ply(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is the second opinion on PLY files")
    shape = make_shape()
    shape.save(tmp_path / "a.ply")
    cloud = trimesh.load(tmp_path / "a.ply")
    assert np.allclose(cloud.vertices, shape.points)
    assert np.array_equal(cloud.colors[:, :3], shape.colors)


def test_an_independent_reader_finds_the_gaussians(tmp_path):
    """The properties that public viewers ask for, in the reference code's order, undone as those viewers undo them."""
    plyfile = pytest.importorskip("plyfile", reason="plyfile is the second opinion on 3DGS files")
    splats = Splats.from_cloud(make_shape().points, make_shape().colors)
    splats = replace(splats, opacities=np.linspace(0.1, 0.9, 50, dtype=np.float32))
    replace(make_shape(), splats=splats).save(tmp_path / "a.3dgs.ply")
    assert [p.name for p in tmp_path.iterdir()] == ["a.3dgs.ply"]
    (vertex,) = plyfile.PlyData.read(tmp_path / "a.3dgs.ply").elements
    assert vertex.data.itemsize == 248

    def columns(*wanted):
        return np.stack([vertex[name] for name in wanted], 1)

    assert np.allclose(columns("x", "y", "z"), splats.means)
    assert np.allclose(0.5 + 0.28209479 * columns("f_dc_0", "f_dc_1", "f_dc_2"), splats.colors, atol=1e-6)
    assert np.allclose(1 / (1 + np.exp(-vertex["opacity"])), splats.opacities, atol=1e-6)
    assert np.allclose(np.exp(columns("scale_0", "scale_1", "scale_2")), splats.scales)
    assert np.allclose(columns("rot_0", "rot_1", "rot_2", "rot_3"), splats.quats)


def test_a_shape_that_was_never_refined_has_a_gaussian_a_point(tmp_path):
    make_shape().save(tmp_path / "a.3dgs.ply")
    back = Shape.load(tmp_path / "a.3dgs.ply")
    assert np.array_equal(back.splats.means, make_shape().points)
    assert np.array_equal(back.points, make_shape().points)
    assert np.array_equal(back.colors, make_shape().colors)


def test_points_in_camera_are_metres():
    shape = make_shape()
    assert np.allclose(shape.points_in_camera(), 0.5 * shape.points + (0, 0, 2))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_one_line(data):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ply"
        path.write_bytes(data)
        with pytest.raises(InputError) as refusal:
            Shape.load(path)
        assert "\n" not in str(refusal.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        make_shape().save(tmp_path / "file" / "a.ply")
    with pytest.raises(InputError, match="expected one of"):
        make_shape().save(tmp_path / "a.xyz")


@pytest.mark.parametrize("size", [10, 50, 80, 400])
def test_resized_clouds_stay_on_the_shape(size):
    circle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    points = np.stack([np.cos(circle), np.sin(circle), 0 * circle], 1).astype(np.float32)
    resized, origin = resize_cloud(points, size, np.random.default_rng(0))
    assert resized.shape == (size, 3)
    assert (np.linalg.norm(resized, axis=1) > 0.9).all()
    assert (np.linalg.norm(resized - points[origin], axis=1) < 0.4).all()
