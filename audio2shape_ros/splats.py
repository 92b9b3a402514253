"""The 3D Gaussians of a refined shape as a PointCloud2, for viewers that draw splats.

The layout is that of unity_ros_teleoperation: 17 float32 a point, values before activation as in 3DGS .ply files (log
scales, logit opacity), colour as the constant spherical harmonic. RViz shows it as points.
"""

from __future__ import annotations

import array
import math
import sys

import numpy as np
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from audio2shape_ros.conversions import split_similarity, transform
from audio2shape_ros.requests import GaussianArrays

SH_C0 = 0.5 / math.sqrt(math.pi)  # the constant spherical harmonic: colour = 0.5 + C0 f_dc
NAMES = (
    "x", "y", "z", "scale_0", "scale_1", "scale_2", "rot_w", "rot_x", "rot_y", "rot_z", "nx", "ny", "nz",
    "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
)  # fmt: skip
FIELDS = [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate(NAMES)]


def to_splats(header: Header, gaussians: GaussianArrays, matrix: np.ndarray) -> PointCloud2:
    """Gaussians of the canonical frame, carried by the (4, 4) similarity `matrix` into the header's frame, metres."""
    part = {name: value.astype(np.float64) for name, value in vars(gaussians).items()}
    scale, rotation, _ = split_similarity(matrix)
    w_first = [3, 0, 1, 2]
    turned = Rotation.from_matrix(rotation) * Rotation.from_quat(part["quats"][:, [1, 2, 3, 0]])
    count = len(gaussians.means)
    table = np.concatenate(
        [
            transform(matrix, part["means"]), part["log_scales"] + np.log(scale), turned.as_quat()[:, w_first],
            np.zeros((count, 3)), (part["colors"] - 0.5) / SH_C0, part["logit_opacities"].reshape(count, 1),
        ],
        axis=1,
    ).astype(np.float32)  # fmt: skip
    step = 4 * len(NAMES)
    return PointCloud2(
        header=header, height=1, width=count, fields=FIELDS, point_step=step, row_step=step * count, is_dense=True,
        is_bigendian=sys.byteorder == "big", data=array.array("B", table.tobytes()),
    )  # fmt: skip
