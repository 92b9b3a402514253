"""Gaussians carried into the output frame, and what each viewer makes of its message."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from audio2shape_core.shape import Splats
from audio2shape_ros.outputs import splat_viewers
from audio2shape_ros.outputs.splats import NAMES, NONE, carry, to_splats

N = 20
COLOR_OF = 0.28209479  # of a spherical harmonic of 1


def make(count: int = N) -> Splats:
    rng = np.random.default_rng(0)
    means, quats, scales = rng.normal(size=(count, 3)), rng.normal(size=(count, 4)), rng.uniform(0.01, 0.2, (count, 3))
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    arrays = means, quats, scales, rng.random(count), rng.random((count, 3))
    return Splats(*(a.astype(np.float32) for a in arrays))


def similarity() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = 0.4 * Rotation.from_euler("xyz", [0.3, -1.0, 2.0]).as_matrix()
    matrix[:3, 3] = (1, 2, 3)
    return matrix


def covariance(quats_wxyz: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    axes = Rotation.from_quat(np.asarray(quats_wxyz)[:, [1, 2, 3, 0]]).as_matrix() * np.asarray(sigmas)[:, None]
    return axes @ axes.transpose(0, 2, 1)


@pytest.fixture
def gaussians():
    return make()


@pytest.fixture
def expected(gaussians):
    """Means and covariances after the similarity."""
    turn, matrix = similarity()[:3, :3], similarity()
    spread = turn @ covariance(gaussians.quats, gaussians.scales) @ turn.T
    return gaussians.means @ turn.T + matrix[:3, 3], spread


def test_cloud(gaussians, expected):
    message = to_splats(Header(), carry(gaussians, similarity()))
    assert message.point_step == 68  # the reader's layout
    assert len(message.data) == 68 * N
    table = np.frombuffer(message.data, [(name, "f4") for name in NAMES])

    def columns(*names: str) -> np.ndarray:
        return np.stack([table[name] for name in names], axis=1)

    sent = covariance(columns("rot_w", "rot_x", "rot_y", "rot_z"), np.exp(columns("scale_0", "scale_1", "scale_2")))
    np.testing.assert_allclose(columns("x", "y", "z"), expected[0], atol=1e-5)
    np.testing.assert_allclose(sent, expected[1], atol=1e-6)
    np.testing.assert_allclose(0.5 + COLOR_OF * columns("f_dc_0", "f_dc_1", "f_dc_2"), gaussians.colors, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-table["opacity"])), gaussians.opacities, atol=1e-6)
    assert to_splats(Header(), NONE).width == 0


def test_splat_array(gaussians, expected):
    pytest.importorskip("gsplat_msgs")
    header = Header(frame_id="camera_optical_frame")
    splats = splat_viewers.to_splat_array(header, carry(gaussians, similarity())).splats
    assert all(splat.pose.header == header for splat in splats)
    points = [(p.x, p.y, p.z) for p in (splat.pose.pose.pose.position for splat in splats)]
    quats = [(q.w, q.x, q.y, q.z) for q in (splat.pose.pose.pose.orientation for splat in splats)]
    sent = np.array([splat.pose.pose.covariance for splat in splats]).reshape(N, 6, 6)
    np.testing.assert_allclose(points, expected[0], atol=1e-5)
    np.testing.assert_allclose(sent[:, :3, :3], expected[1], atol=1e-6)
    assert not sent[:, 3:].any()
    np.testing.assert_allclose(
        covariance(quats, 0.4 * gaussians.scales), expected[1], atol=1e-6
    )  # what the orientation says
    np.testing.assert_allclose([s.opacity / 255 for s in splats], gaussians.opacities, atol=0.003)
    colors = [0.5 + COLOR_OF * np.array(s.spherical_harmonics) for s in splats]
    np.testing.assert_allclose(colors, gaussians.colors, atol=1e-6)
    assert not splat_viewers.to_splat_array(header, NONE).splats


def test_gaussian_array(gaussians, expected):
    pytest.importorskip("gaussian_interface")
    message = splat_viewers.to_gaussian_array(Header(), carry(gaussians, similarity()))
    assert message.refresh
    shown = message.gaussians
    np.testing.assert_allclose([g.xyz for g in shown], expected[0], atol=1e-5)
    sent = covariance([g.rotation for g in shown], [g.scale for g in shown])
    np.testing.assert_allclose(sent, expected[1], atol=1e-6)
    np.testing.assert_allclose([g.opacity / 255 for g in shown], gaussians.opacities, atol=0.003)
    colors = [0.5 + COLOR_OF * np.array(g.spherical_harmonics) for g in shown]
    np.testing.assert_allclose(colors, gaussians.colors, atol=1e-6)
    (nothing,) = splat_viewers.to_gaussian_array(Header(), NONE).gaussians
    assert nothing.opacity == 0


def test_viewers_whose_messages_are_installed_get_them():
    for topic, (kind, convert) in splat_viewers.installed().items():
        assert isinstance(convert(Header(), make()), kind), topic
