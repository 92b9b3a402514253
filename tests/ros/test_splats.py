import numpy as np
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from audio2shape_ros.requests import GaussianArrays
from audio2shape_ros.splats import NAMES, to_splats


def test_covariances_are_carried_by_the_similarity():
    rng = np.random.default_rng(0)
    n, scale, turn = 20, 0.4, Rotation.from_euler("xyz", [0.3, -1.0, 2.0]).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = scale * turn, (1, 2, 3)
    means, quats, scales = rng.normal(size=(n, 3)), rng.normal(size=(n, 4)), rng.uniform(0.01, 0.2, (n, 3))
    colors, logits = rng.random((n, 3)), rng.normal(size=n)
    arrays = (a.astype(np.float32) for a in (means, quats, np.log(scales), logits, colors))
    message = to_splats(Header(), GaussianArrays(*arrays), matrix)
    assert message.point_step == 68  # the reader's layout
    assert len(message.data) == 68 * n
    table = np.frombuffer(message.data, [(name, "f4") for name in NAMES])

    def covariance(quats_wxyz: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
        axes = Rotation.from_quat(quats_wxyz[:, [1, 2, 3, 0]]).as_matrix() * sigmas[:, None]
        return axes @ axes.transpose(0, 2, 1)

    def columns(*names: str) -> np.ndarray:
        return np.stack([table[name] for name in names], axis=1)

    carried = matrix[:3, :3] @ covariance(quats, scales) @ matrix[:3, :3].T
    sent = covariance(columns("rot_w", "rot_x", "rot_y", "rot_z"), np.exp(columns("scale_0", "scale_1", "scale_2")))
    np.testing.assert_allclose(sent, carried, atol=1e-6)
    np.testing.assert_allclose(columns("x", "y", "z"), means @ matrix[:3, :3].T + matrix[:3, 3], atol=1e-5)
    np.testing.assert_allclose(0.5 + 0.28209479 * columns("f_dc_0", "f_dc_1", "f_dc_2"), colors, atol=1e-6)
    np.testing.assert_allclose(table["opacity"], logits, atol=1e-6)
