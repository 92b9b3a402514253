"""3D Gaussians in the compact .splat of web viewers: 32 bytes each."""

import numpy as np

from audio2shape_core.splats import Splats

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def encode(splats: Splats) -> bytes:
    """Positions and scales as float32, RGBA and w x y z as uint8; the most visible come first."""
    rows = np.zeros(len(splats), ROW)
    rows["mean"], rows["scale"] = splats.means, splats.scales
    rows["rgba"] = np.round(255 * np.column_stack([splats.colors, splats.opacities])).clip(0, 255)
    rows["quat"] = np.round(128 * splats.quats + 128).clip(0, 255)
    return rows[np.argsort(-splats.opacities * splats.scales.prod(1), kind="stable")].tobytes()


def decode(data: bytes) -> Splats:
    """What `encode` wrote, or another .splat. Raises ValueError for anything else."""
    if not data or len(data) % ROW.itemsize:
        raise ValueError(f"expected a multiple of {ROW.itemsize} bytes, found {len(data)}")
    rows = np.frombuffer(data, ROW)
    rgba = rows["rgba"] / np.float32(255)
    return Splats.read(rows["mean"], (rows["quat"] - 128.0) / 128, rows["scale"], rgba[:, 3], rgba[:, :3])
