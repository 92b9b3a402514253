"""Surface meshes of clouds, with trimesh as the second opinion."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio2shape_core.formats import obj
from audio2shape_core.shape import Shape
from audio2shape_core.synthetic.shapes import procedural_shape

trimesh = pytest.importorskip("trimesh", reason="trimesh is the second opinion on OBJ files")


def ball(count: int = 4000, radius: float = 1.0) -> np.ndarray:
    points = np.random.default_rng(0).standard_normal((count, 3))
    return (radius * points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def made(label: str) -> np.ndarray:
    return procedural_shape(label, 0)[0]


def uniform(count: int, *sizes: float) -> np.ndarray:
    return (np.random.default_rng(1).uniform(-1, 1, (count, 3)) * sizes).astype(np.float32)


CLOUDS = {
    "ball": ball(2048),
    "sparse ball": ball(256),
    "sheet": uniform(2048, 1, 1, 0),
    "noisy sheet": uniform(2048, 1, 0.01, 0.7),
    "rod": uniform(2048, 1, 0.005, 0.005),
    "line": uniform(300, 0, 0, 1),
    "solid": uniform(2048, 1, 1, 1),
    "two balls": np.concatenate([ball(1024, 0.4) + (0.7, 0, 0), ball(1024, 0.2) - (0.5, 0, 0)]),
    "ball in a ball": np.concatenate([ball(4096), ball(512, 0.3)]),
    "specks": np.concatenate([ball(2048), uniform(4, 2, 2, 2)]),
    "four points": uniform(4, 1, 1, 1),
    "one point": np.zeros((1, 3), np.float32),
    "one place": np.ones((300, 3), np.float32),
    **{label: made(label) for label in ("flute", "cow", "guitar", "helicopter", "piano", "drum", "airplane")},
}


def read(points: np.ndarray, scale: float = 1.0):
    """The mesh as another library reads its file."""
    colors = np.tile(np.uint8((200, 10, 10)), (len(points), 1))
    return trimesh.load_mesh(io.BytesIO(obj.encode(points.astype(np.float32), colors, scale, "x")), file_type="obj")


def check(mesh) -> None:
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.body_count == 1
    assert mesh.volume > 0  # faces outward
    assert mesh.is_volume


@pytest.mark.parametrize(("name", "scale"), [*((name, 0.02) for name in CLOUDS), ("guitar", 1.0), ("airplane", 12.0)])
def test_the_mesh_is_one_closed_body_that_faces_outward(name, scale):
    points = CLOUDS[name]
    mesh = read(points, scale)
    check(mesh)
    if len(points) > 100 and np.ptp(points) > 0.1 and name != "specks":
        assert np.allclose(mesh.bounds, scale * np.array([points.min(0), points.max(0)]), atol=0.1 * scale)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 700), st.integers(1, 5))
def test_so_it_is_for_any_cloud(seed, count, parts):
    rng = np.random.default_rng(seed)
    flat = rng.choice([1, 0.3, 0.01, 0], (parts, 3)) * rng.uniform(0.05, 0.5, (parts, 1))
    index = rng.integers(0, parts, count)
    check(read(rng.normal(size=(count, 3)) * flat[index] + rng.uniform(-1, 1, (parts, 3))[index]))


def test_a_ball_is_full():
    mesh = read(ball())
    assert mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * np.pi, rel=0.15)
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert radius.min() > 0.9
    assert radius.max() < 1.1


def test_parts_that_lie_apart_are_joined_and_specks_left_out():
    assert read(CLOUDS["two balls"]).extents[0] > 1.7
    assert read(CLOUDS["specks"]).extents.max() < 2.3


def test_the_file_is_in_metres_with_the_colours_of_the_points(tmp_path):
    matrix = np.diag([0.1, 0.1, 0.1, 1])
    points = ball()
    colors = np.where(points[:, :1] > 0, np.uint8((250, 5, 0)), np.uint8((0, 5, 250)))
    Shape(points, colors, np.ones(len(points), np.float32), "ball", camera_from_shape=matrix).save(tmp_path / "a.obj")
    mesh = trimesh.load_mesh(tmp_path / "a.obj")
    assert mesh.extents == pytest.approx([0.21] * 3, abs=0.01)
    front = mesh.vertices[:, 0] > 0.02
    assert (np.asarray(mesh.visual.vertex_colors)[front][:, :3] == (250, 5, 0)).all()
    assert (tmp_path / "a.obj").read_text().startswith("# audio2shape: an imagined ball, metres, +z up, +x front\nv ")


def test_what_is_written_is_read_again():
    points = ball(500)
    colors = np.full(points.shape, 77, np.uint8)
    back, mesh = obj.decode(obj.encode(points, colors, 1.0, "x")), obj.wrap(points, colors)
    assert np.allclose(back.points, mesh.points, atol=1e-6)
    assert np.array_equal(back.faces, mesh.faces)
    assert np.array_equal(back.colors, mesh.colors)
