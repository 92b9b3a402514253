"""The 3D Gaussians of a refined shape as a PointCloud2, for viewers that draw splats.

The layout is that of unity_ros_teleoperation: 17 float32 a point, values before activation as in 3DGS .ply files (log
scales, logit opacity), colour as the constant spherical harmonic. RViz shows it as points.
"""

from __future__ import annotations

import array
import sys
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from audio2shape_core.shape import Splats
from audio2shape_ros.outputs.conversions import split_similarity, transform

NAMES = (
    *("x", "y", "z", "scale_0", "scale_1", "scale_2", "rot_w", "rot_x", "rot_y", "rot_z"),
    *("nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
)
FIELDS = [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate(NAMES)]
NONE = Splats(*(np.zeros(shape, np.float32) for shape in ((0, 3), (0, 4), (0, 3), (0,), (0, 3))))


def carry(splats: Splats, matrix: np.ndarray) -> Splats:
    """Gaussians of the canonical frame in the frame that the (4, 4) similarity `matrix` leads to, metres."""
    scale, rotation, _ = split_similarity(matrix)
    turned = Rotation.from_matrix(rotation) * Rotation.from_quat(splats.quats[:, [1, 2, 3, 0]])
    return replace(
        splats,
        means=transform(matrix, splats.means),
        quats=turned.as_quat()[:, [3, 0, 1, 2]].astype(np.float32),
        scales=np.float32(scale) * splats.scales,
    )


def to_splats(header: Header, splats: Splats) -> PointCloud2:
    """Gaussians of the header's frame."""
    count = len(splats.means)
    table = np.concatenate(
        [
            splats.means,
            splats.log_scales,
            splats.quats,
            np.zeros((count, 3)),
            splats.harmonics,
            splats.logit_opacities.reshape(count, 1),
        ],
        axis=1,
    ).astype(np.float32)
    step = 4 * len(NAMES)
    return PointCloud2(
        header=header,
        height=1,
        width=count,
        fields=FIELDS,
        point_step=step,
        row_step=step * count,
        is_dense=True,
        is_bigendian=sys.byteorder == "big",
        data=array.array("B", table.tobytes()),
    )
