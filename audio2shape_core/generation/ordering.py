"""Morton order: a curve through space, so that a point's index says where it is.

Sorting a cloud along the curve lets windows of consecutive points become tokens, and lets the UNet merge neighbouring
tokens as an image UNet merges neighbouring pixels.
"""

import torch
from torch import Tensor

BITS = 10


def _spread(x: Tensor) -> Tensor:
    """Put two zero bits between the bits of 10-bit integers."""
    x = (x | (x << 16)) & 0x030000FF
    x = (x | (x << 8)) & 0x0300F00F
    x = (x | (x << 4)) & 0x030C30C3
    return (x | (x << 2)) & 0x09249249


def morton_code(points: Tensor) -> Tensor:
    """Interleaved bits of the quantised coordinates: (..., 3) in [-1, 1] -> (...) int64."""
    cells = ((points.clamp(-1, 1) + 1) * 0.5 * (2**BITS - 1)).round().long()
    x, y, z = (_spread(cells[..., axis]) for axis in range(3))
    return x | (y << 1) | (z << 2)


def morton_sort(points: Tensor) -> tuple[Tensor, Tensor]:
    """Sort each cloud along the curve: (B, N, 3) -> sorted (B, N, 3), order (B, N)."""
    order = morton_code(points).argsort(dim=-1, stable=True)
    return torch.gather(points, 1, order.unsqueeze(-1).expand_as(points)), order
