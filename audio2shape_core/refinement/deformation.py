"""How the fitted shape may differ from the coarse one: bent as a whole, and a little point by point.

One image says where the outline and the parts should be across the line of sight, and nothing about depth. So movement
is lateral: it is learned along the camera's two image axes only. (In world coordinates Adam would amplify the noise of
the depth it cannot see.) Most of it is a smooth field, which carries the unseen side along with the seen one and cannot
fold the surface into whatever explains the pixels. Each centre's own movement on top is small and tied to those of its
neighbours.

Of a shape that is symmetric left to right the image shows every part from two sides, so that its smooth field moves in
all three directions, and keeps it symmetric.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from audio2shape_core.clouds import nearest_points
from audio2shape_core.refinement.symmetry import SmoothField

NEIGHBORS = 8


class Deformation:
    """Movement of N centres: a smooth field of R modes, and two numbers of each centre's own, across the line of sight.

    The prior of every mode is the standard normal distribution (`SmoothField.modes`), so that one learning rate and one
    penalty fit them all.

    Arguments:
        points: (N, 3) the coarse centres.
        lateral: (2, 3) the camera's image axes in the world.
        unit: length in which each centre's own movement is measured, the cloud's spacing.
        symmetric: the points are symmetric left to right, and the field keeps them so.
    """

    def __init__(self, points: Tensor, lateral: Tensor, unit: float, *, symmetric: bool, field: SmoothField) -> None:
        self.unit, self.lateral, self.home = unit, lateral, points.detach().clone()
        cloud = self.home.cpu().numpy()
        if symmetric:
            modes = field.vector_modes(cloud, symmetric=True)
        else:
            free = field.modes(cloud)
            modes = np.concatenate([free[:, None] * axis[None, :, None] for axis in lateral.cpu().numpy()], 2)
        self.modes = torch.from_numpy(modes.astype(np.float32)).to(points.device)  # (N, 3, R)
        self.bend = torch.zeros(modes.shape[2], device=points.device, requires_grad=True)
        self.shift = torch.zeros(len(cloud), 2, device=points.device, requires_grad=True)
        self.laplacian = self._graph_laplacian()

    def means(self) -> Tensor:
        """(N, 3) where the centres are now."""
        return self.home + self.modes @ self.bend + (self.unit * self.shift) @ self.lateral

    def bending(self) -> Tensor:
        """Minus the log prior of the field, up to a constant."""
        return 0.5 * self.bend.square().sum()

    def departure(self) -> Tensor:
        """Mean squared movement of the centres on their own, in units squared."""
        return self.shift.square().sum(-1).mean()

    def strain(self) -> Tensor:
        """Squared differences between the centres' own movements and their neighbours', summed, per centre."""
        return (self.shift * torch.sparse.mm(self.laplacian, self.shift)).sum() / len(self.shift)

    def follow(self, index: Tensor, offset: Tensor) -> None:
        """The set changed: new centre i came from old `index[i]`, `offset[i]` (world units) away from it."""
        self.home, self.modes = self.home[index] + offset, self.modes[index]
        self.shift = self.shift.detach()[index].requires_grad_()
        self.laplacian = self._graph_laplacian()

    def _graph_laplacian(self) -> Tensor:
        """Sparse (N, N) Laplacian of the graph of nearest neighbours. A matrix product, because the gradient of fancy
        indexing adds in the order in which threads arrive, and the result would differ from run to run."""
        points = self.home.cpu().numpy()
        size, degree = len(points), min(NEIGHBORS, len(points) - 1)
        _, index = nearest_points(points, points, degree + 1)
        rows = np.repeat(np.arange(size), degree)
        edges = sparse.coo_matrix((np.ones(len(rows)), (rows, index[:, 1:].ravel())), (size, size))
        graph: Any = sparse.csgraph.laplacian(edges + edges.T)
        laplacian = sparse.coo_matrix(graph)
        places = torch.from_numpy(np.stack([laplacian.row, laplacian.col]))
        values = torch.from_numpy(laplacian.data.astype(np.float32))
        with torch.sparse.check_sparse_tensor_invariants(enable=True):
            matrix = torch.sparse_coo_tensor(places, values, (size, size))
        return matrix.coalesce().to(self.home.device)
