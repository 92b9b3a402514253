"""Many small assignment problems at once: which point of one window goes with which of another.

Letters: B problems, W rows and columns of each.
"""

import numpy as np
from numba import njit, prange


def assign(costs: np.ndarray) -> np.ndarray:
    """The cheapest pairing of each square matrix of costs: (B, W, W) float -> columns of the rows (B, W) int64.

    scipy's `linear_sum_assignment` does the same for one problem, but holds the interpreter's lock: beside a GPU, a
    batch of windows would wait for one core. Raises ValueError where a cost is not finite.
    """
    if not np.isfinite(costs).all():
        raise ValueError("assignment costs that are not finite")
    return _assign(costs)


@njit(parallel=True, cache=True)
def _assign(costs: np.ndarray) -> np.ndarray:
    """Shortest augmenting paths (Jonker and Volgenant 1987), one problem a core at a time."""
    count, size, _ = costs.shape
    columns = np.empty((count, size), np.int64)
    for problem in prange(count):
        cost = costs[problem]
        row_price, column_price = np.zeros(size), np.zeros(size + 1)
        owner = np.full(size + 1, -1)  # row that holds each column; the last column only starts paths
        for row in range(size):
            owner[size] = row
            column = size
            distance = np.full(size + 1, np.inf)
            came_from = np.full(size + 1, size)
            done = np.zeros(size + 1, np.bool_)
            while owner[column] >= 0:  # extend the path until it ends at a free column
                done[column] = True
                at, step, nearest = owner[column], np.inf, size
                for j in range(size):
                    if not done[j]:
                        reduced = cost[at, j] - row_price[at] - column_price[j]
                        if reduced < distance[j]:
                            distance[j], came_from[j] = reduced, column
                        if distance[j] < step:
                            step, nearest = distance[j], j
                for j in range(size + 1):
                    if done[j]:
                        row_price[owner[j]] += step
                        column_price[j] -= step
                    else:
                        distance[j] -= step
                column = nearest
            while column != size:  # swap along it
                previous = came_from[column]
                owner[column] = owner[previous]
                column = previous
        for j in range(size):
            columns[problem, owner[j]] = j
    return columns
