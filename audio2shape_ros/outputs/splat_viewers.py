"""The 3D Gaussians of a refined shape in the messages of viewers that have their own, where those are installed.

    ~/splat_array       gsplat_msgs/SplatArray, which the RViz display of RVizSplat shows
    ~/gaussian_array    gaussian_interface/GaussianArray, which ROSplat shows

Both want values after activation: metres, opacity as a byte, unit quaternions; colour is the constant spherical
harmonic here as well.
"""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
from std_msgs.msg import Header

from audio2shape_core.shape import Splats
from audio2shape_ros.ros import optional

INVISIBLE = Splats(  # for ROSplat, which fails over an array of none
    *(np.array(value, np.float32) for value in ([[0, 0, 0]], [[1, 0, 0, 0]], [[1e-4, 1e-4, 1e-4]], [0], [[0, 0, 0]]))
)


def installed() -> dict[str, tuple[type, Callable[[Header, Splats], object]]]:
    """Topic, message and conversion of every viewer whose messages can be imported."""
    known = {
        "splat_array": ("gsplat_msgs", "SplatArray", to_splat_array),
        "gaussian_array": ("gaussian_interface", "GaussianArray", to_gaussian_array),
    }
    found = {topic: (optional(f"{package}.msg", name), convert) for topic, (package, name, convert) in known.items()}
    return {topic: (kind, convert) for topic, (kind, convert) in found.items() if kind is not None}


def opacity_bytes(splats: Splats) -> list[int]:
    return np.round(255 * splats.opacities).astype(int).tolist()


def to_splat_array(header: Header, splats: Splats) -> Any:
    """Gaussians of the header's frame as gsplat_msgs/SplatArray: each a pose whose position has their covariance."""
    from gsplat_msgs.msg import Splat, SplatArray

    covariances = np.zeros((len(splats), 6, 6))
    covariances[:, :3, :3] = splats.covariances
    rows = zip(
        splats.means.astype(float).tolist(),
        splats.quats.astype(float).tolist(),
        covariances.reshape(-1, 36),
        opacity_bytes(splats),
        splats.harmonics,
    )
    message = SplatArray()
    for mean, quat, covariance, opacity, color in rows:
        splat = Splat(opacity=opacity, harmonics_deg=0, spherical_harmonics=array.array("f", color))
        splat.pose.header = header
        pose = splat.pose.pose
        pose.covariance = covariance
        pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = mean
        turn = pose.pose.orientation
        turn.w, turn.x, turn.y, turn.z = quat
        message.splats.append(splat)
    return message


def to_gaussian_array(header: Header, splats: Splats) -> Any:
    """Gaussians as gaussian_interface/GaussianArray, in place of those shown before. It has no header: the viewer shows
    whatever frame they are in."""
    from gaussian_interface.msg import GaussianArray, SingleGaussian

    if not len(splats):
        splats = INVISIBLE
    rows = zip(splats.means, splats.quats, splats.scales, opacity_bytes(splats), splats.harmonics)
    message = GaussianArray(refresh=True)
    for mean, quat, scale, opacity, color in rows:
        shown = SingleGaussian(xyz=mean, rotation=quat, scale=scale, opacity=opacity)
        shown.spherical_harmonics = array.array("f", color)
        message.gaussians.append(shown)
    return message
