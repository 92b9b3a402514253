import numpy as np
import pytest

from audio2shape_core.formats.obj import encode, wrap


def ball(count=4000):
    points = np.random.default_rng(0).standard_normal((count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32), np.tile(np.uint8((200, 10, 10)), (count, 1))


def test_the_mesh_lies_about_the_points():
    points, colors = ball()
    vertices, faces, painted = wrap(points, colors)
    radius = np.linalg.norm(vertices, axis=1)
    assert radius.max() < 1.1
    assert np.percentile(radius, 90) > 0.97
    assert faces.max() == len(vertices) - 1
    assert (painted == (200, 10, 10)).all()


def test_the_file_is_in_metres_and_read_by_others(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is the second opinion on OBJ files")
    path = tmp_path / "ball.obj"
    path.write_bytes(encode(*ball(), scale=0.1, label="ball"))
    mesh = trimesh.load(path)
    assert mesh.extents == pytest.approx([0.21] * 3, abs=0.02)
