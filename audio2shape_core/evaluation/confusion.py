"""Which classes are taken for which: the counts, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def confusion_matrix(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """(L, L) int: how often an item of the row's class was given the column's; classes not in `labels` do not count."""
    true, found = (np.asarray(given)[:, None] == np.asarray(labels)[None] for given in (truth, predicted))
    return true.astype(int).T @ found.astype(int)


def draw_confusion(path: Path, matrix: np.ndarray, labels: Sequence[str], title: str = "") -> None:
    """Write (L, L) counts as a PNG: colours are shares of each row, numbers are the counts. Columns that stay empty and
    rows without items are kept, so that pictures compare."""
    from audio2shape_core.preview import write_png  # matplotlib takes a while; counting does not need it

    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    size = 2.5 + 0.33 * len(labels)
    figure = Figure(figsize=(size, size), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(matrix)):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, matrix[row, column], ha="center", va="center", fontsize=7, color=color)
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=90)
    axes.set_yticks(ticks, labels)
    axes.set(xlabel="taken for", ylabel="was", title=title)
    write_png(figure, path)
