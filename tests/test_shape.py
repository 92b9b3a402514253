import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio2shape_core.errors import InputError
from audio2shape_core.shape import Shape, resize_cloud


def make_shape(count=50, seed=0):
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, 3] = (0, 0, 2)
    matrix[:3, :3] *= 0.5
    return Shape(
        rng.uniform(-1, 1, (count, 3)).astype(np.float32), rng.integers(0, 256, (count, 3)).astype(np.uint8),
        rng.random(count).astype(np.float32), "guitar", {"guitar": 0.75, "violin": 0.25}, matrix,
    )  # fmt: skip


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


def test_an_independent_reader_understands_the_ply(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is the second opinion on PLY files")
    shape = make_shape()
    shape.save(tmp_path / "a.ply")
    cloud = trimesh.load(tmp_path / "a.ply")
    assert np.allclose(cloud.vertices, shape.points)
    assert np.array_equal(cloud.colors[:, :3], shape.colors)


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
