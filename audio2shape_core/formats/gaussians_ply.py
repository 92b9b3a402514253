"""3D Gaussians as the .ply of the 3DGS reference code: values before activation, one row a Gaussian."""

import numpy as np

from audio2shape_core.formats.ply import columns, write_vertices
from audio2shape_core.splats import Splats

MEANS, COLORS = ("x", "y", "z"), ("f_dc_0", "f_dc_1", "f_dc_2")
SCALES, QUATS = ("scale_0", "scale_1", "scale_2"), ("rot_0", "rot_1", "rot_2", "rot_3")
NAMES = frozenset({*MEANS, *COLORS, "opacity", *SCALES, *QUATS})  # without these, a PLY holds points
# The reference code's order, 248 bytes a row. Normals are unused there and zero. Ours have no harmonics above degree 0,
# but some importers (Unity's) expect the reference's 45 of degrees 1 to 3: zero, too.
REST = tuple(f"f_rest_{i}" for i in range(45))
ROW = np.dtype([(n, "<f4") for n in (*MEANS, "nx", "ny", "nz", *COLORS, *REST, "opacity", *SCALES, *QUATS)])


def encode(splats: Splats) -> bytes:
    rows = np.zeros(len(splats), ROW)
    groups = (MEANS, splats.means), (COLORS, splats.harmonics), (SCALES, splats.log_scales), (QUATS, splats.quats)
    for names, values in (*groups, (("opacity",), splats.logit_opacities[:, None])):
        for name, column in zip(names, values.T):
            rows[name] = column
    return write_vertices(rows)


def decode(rows: np.ndarray) -> Splats:
    """From vertices (`ply.read_vertices`) with NAMES among their properties; harmonics above degree 0 are ignored.

    Raises ValueError for values that are not finite.
    """
    means, quats, scales, logits, colors = (
        columns(rows, *names) for names in (MEANS, QUATS, SCALES, ["opacity"], COLORS)
    )
    return Splats.from_raw(means, quats, scales, logits[:, 0], colors)
