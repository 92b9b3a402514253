"""Gaussians as files that splat viewers open: the 3DGS .ply and the compact .splat."""

from __future__ import annotations

import numpy as np
import torch

from audio2shape_core.errors import InputError
from audio2shape_core.splatting.gaussians import Gaussians

SH_C0 = 0.28209479177387814  # the constant spherical harmonic: colour = 0.5 + C0 f_dc
_PLY_FIELDS = [
    "x",
    "y",
    "z",
    "nx",
    "ny",
    "nz",
    "f_dc_0",
    "f_dc_1",
    "f_dc_2",
    "opacity",
    "scale_0",
    "scale_1",
    "scale_2",
    "rot_0",
    "rot_1",
    "rot_2",
    "rot_3",
]  # the order of the 3DGS reference code; normals are unused there and zero
_SPLAT_ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def to_ply(gaussians: Gaussians) -> bytes:
    """Binary little-endian .ply of the 3DGS reference code: log scales, opacity before the sigmoid, w x y z."""
    means, quats, log_scales, logits, colors = _arrays(gaussians)
    harmonics = (colors - 0.5) / SH_C0
    rows = np.concatenate([means, np.zeros_like(means), harmonics, logits[:, None], log_scales, quats], 1)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(rows)}",
        *(f"property float {name}" for name in _PLY_FIELDS),
        "end_header",
    ]
    return ("\n".join(header) + "\n").encode() + rows.astype("<f4").tobytes()


def from_ply(data: bytes) -> Gaussians:
    """Read what `to_ply` wrote, or another 3DGS .ply; harmonics above degree 0 are ignored."""
    head, found, body = data.partition(b"end_header\n")
    lines = head.decode("ascii", "replace").splitlines()
    names = [line.split()[2] for line in lines if line.startswith("property float ")]
    counts = [line.split()[2] for line in lines if line.startswith("element vertex ")]
    readable = found and "format binary_little_endian 1.0" in lines and counts and counts[0].isdigit()
    if not readable or not set(_PLY_FIELDS) - {"nx", "ny", "nz"} <= set(names):
        raise InputError(
            "not a 3DGS .ply: expected binary_little_endian float properties x y z f_dc_* opacity scale_* rot_*"
        )
    count = int(counts[0])
    if len(body) < 4 * count * len(names):
        raise InputError(f"3DGS .ply is cut short: expected {4 * count * len(names)} bytes of data, found {len(body)}")
    rows = np.frombuffer(body, "<f4", count * len(names)).reshape(count, len(names)).astype(np.float32)
    column = {name: rows[:, i] for i, name in enumerate(names)}

    def take(*wanted: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([column[name] for name in wanted], 1))

    return Gaussians(
        means=take("x", "y", "z"),
        quats=take("rot_0", "rot_1", "rot_2", "rot_3"),
        log_scales=take("scale_0", "scale_1", "scale_2"),
        logit_opacities=take("opacity")[:, 0],
        colors=0.5 + SH_C0 * take("f_dc_0", "f_dc_1", "f_dc_2"),
    )


def to_splat(gaussians: Gaussians) -> bytes:
    """32 bytes a Gaussian: position and scale as float32, RGBA and quaternion as uint8; the most visible come first."""
    means, quats, log_scales, logits, colors = _arrays(gaussians)
    scales, opacities = np.exp(log_scales), 1 / (1 + np.exp(-logits))
    quats = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    rows = np.zeros(len(means), _SPLAT_ROW)
    rows["mean"], rows["scale"] = means, scales
    rows["rgba"] = np.round(255 * np.concatenate([colors, opacities[:, None]], 1)).clip(0, 255)
    rows["quat"] = np.round(128 * quats + 128).clip(0, 255)
    return rows[np.argsort(-opacities * scales.prod(1), kind="stable")].tobytes()


def from_splat(data: bytes) -> Gaussians:
    """Read what `to_splat` wrote, or another .splat. Raises InputError for anything else."""
    if not data or len(data) % _SPLAT_ROW.itemsize:
        raise InputError(f"not a .splat: expected a multiple of {_SPLAT_ROW.itemsize} bytes, found {len(data)}")
    rows = np.frombuffer(data, _SPLAT_ROW)
    if not (np.isfinite(rows["mean"]).all() and np.isfinite(rows["scale"]).all() and (rows["scale"] >= 0).all()):
        raise InputError("not a .splat: expected finite positions and scales >= 0 in every row of 32 bytes")
    rgba = torch.from_numpy(rows["rgba"] / np.float32(255))
    return Gaussians(
        means=torch.from_numpy(rows["mean"].copy()),
        quats=torch.from_numpy((rows["quat"].astype(np.float32) - 128) / 128),
        log_scales=torch.from_numpy(np.log(np.maximum(rows["scale"], 1e-12))),
        logit_opacities=torch.logit(rgba[:, 3], eps=1e-3),
        colors=rgba[:, :3],
    )


def _arrays(gaussians: Gaussians) -> list[np.ndarray]:
    return [tensor.detach().cpu().numpy() for tensor in vars(gaussians).values()]
