"""How the fitted shape may differ from the coarse one: bent as a whole, and a little point by point.

One image says much about how the outline and the parts are displaced, and nothing about depth. So most of the movement is
a smooth field, spanned by a few dozen nodes: it carries the unseen side along with the seen one and cannot fold the
surface into whatever explains the pixels. Each centre's own movement on top is small and tied to its neighbours'.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import cKDTree
from torch import Tensor

NEIGHBORS = 8


class Deformation:
    """Smooth displacement of N centres by M nodes, and the ties of each centre to where the generator put it.

    Arguments:
        points: (N, 3) the coarse centres.
        unit: length in which movements are measured, the cloud's spacing.
        nodes: M, spread evenly over the cloud.
    """

    def __init__(self, points: Tensor, unit: float, nodes: int) -> None:
        self.unit, self.home = unit, points.detach().clone()
        cloud = self.home.cpu().numpy().astype(np.float64)
        centers = cloud[farthest_points(cloud, min(nodes, len(cloud)))]
        apart = cKDTree(centers).query(centers, min(4, len(centers)))[0][:, -1]
        width = max(float(np.median(apart)), 1e-6)
        weights = np.exp(-np.square(cloud[:, None] - centers).sum(-1) / (2 * width**2))  # (N, M)
        weights /= weights.sum(1, keepdims=True)
        self.weights = torch.from_numpy(weights.astype(np.float32)).to(points.device)
        self.bend = torch.zeros(len(centers), 3, device=points.device, requires_grad=True)  # of each node
        self.laplacian = self._graph_laplacian()

    def displacement(self) -> Tensor:
        """(N, 3) of the smooth field."""
        return self.weights @ self.bend

    def bending(self) -> Tensor:
        """Mean squared movement of the nodes, in units squared."""
        return (self.bend / self.unit).square().sum(-1).mean()

    def departure(self, means: Tensor) -> Tensor:
        """Mean squared movement of the centres on their own, in units squared."""
        return ((means - self.home) / self.unit).square().sum(-1).mean()

    def strain(self, means: Tensor) -> Tensor:
        """Squared differences between the centres' own movements and their neighbours', summed, per centre."""
        move = (means - self.home) / self.unit
        return (move * torch.sparse.mm(self.laplacian, move)).sum() / len(move)

    def follow(self, index: Tensor, offset: Tensor) -> None:
        """The set changed: new centre i came from old `index[i]`, `offset[i]` away from it."""
        self.home, self.weights = self.home[index] + offset, self.weights[index]
        self.laplacian = self._graph_laplacian()

    def _graph_laplacian(self) -> Tensor:
        """Sparse (N, N) Laplacian of the graph of nearest neighbours. A matrix product, because the gradient of fancy
        indexing adds in the order in which threads arrive, and the result would differ from run to run."""
        points = self.home.cpu().numpy()
        size, degree = len(points), min(NEIGHBORS, len(points) - 1)
        _, index = cKDTree(points).query(points, degree + 1)
        rows = np.repeat(np.arange(size), degree)
        edges = sparse.coo_matrix((np.ones(len(rows)), (rows, index[:, 1:].ravel())), (size, size))
        laplacian = sparse.csgraph.laplacian(edges + edges.T).tocoo()
        with torch.sparse.check_sparse_tensor_invariants(enable=True):
            matrix = torch.sparse_coo_tensor(
                np.stack([laplacian.row, laplacian.col]), laplacian.data.astype(np.float32), (size, size)
            )
        return matrix.coalesce().to(self.home.device)


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """(count,) indices of points spread evenly: each is the one farthest from those before it."""
    chosen = [0]
    distance = np.square(points - points[0]).sum(1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.square(points - points[chosen[-1]]).sum(1))
    return np.array(chosen)
