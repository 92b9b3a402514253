"""One picture of one run: what was heard, the coarse cloud, the refined cloud, the camera beside the render."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audio2shape_core.files import replacing
from audio2shape_core.results import Generation
from audio2shape_core.shape import Shape

SAMPLE_RATE = 16_000
TITLE = 0.94  # of a panel's height: the layout reserves no room above 3D panels


def draw_cloud(axes, points: np.ndarray, colors: np.ndarray, title: str = "", height: float | None = None) -> None:
    """Scatter a canonical cloud (N, 3) with colours (N, 3) uint8 on 3D axes, its front turned to the viewer.

    height: of the title, as a share of the axes'; None is above them.
    """
    axes.scatter(*points.T, c=colors / 255.0, s=9000 / max(len(points), 1500), depthshade=True, linewidths=0)
    limits = (-0.62, 0.62)
    axes.set(xlim=limits, ylim=limits, zlim=limits)
    axes.set_title(title, y=height)
    axes.set_box_aspect((1, 1, 1))
    axes.view_init(elev=20, azim=35)
    axes.set_axis_off()


def draw_heard(figure: Figure, place, waveform: np.ndarray, scores: dict[str, float], sure: float) -> None:
    """A spectrogram over a bar chart of the likeliest classes."""
    upper, lower = place.subgridspec(2, 1, hspace=0.5).subplots()
    upper.specgram(waveform + 1e-9, NFFT=512, Fs=SAMPLE_RATE, noverlap=256, cmap="magma", vmin=-140)
    upper.set(title="heard", ylabel="Hz", xlabel="s")
    best = sorted(scores, key=scores.get, reverse=True)[:5]
    lower.barh(best[::-1], [scores[label] for label in best[::-1]], color="#3b6ea5")
    lower.set(xlim=(0, 1), title=f"{best[0]}, confidence {sure:.2f}")


def save_preview(path: Path, waveform: np.ndarray, generation: Generation, image: np.ndarray | None) -> None:
    """Write the picture as PNG. waveform: (S,) at 16 kHz; image: (H, W, 3) uint8 RGB or None."""
    refined = generation.refined
    columns = 2 + (refined is not None) * 2
    figure = Figure(figsize=(4.2 * columns, 4.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, columns)
    draw_heard(figure, grid[0], waveform, generation.heard.scores, generation.heard.confidence)
    coarse, shape = generation.coarse, generation.shape
    title = f"imagined: {coarse.label}, {len(coarse.points)} points"
    draw_cloud(figure.add_subplot(grid[1], projection="3d"), coarse.points, coarse.colors, title, TITLE)
    if refined is not None:
        title = f"refined, {len(shape.points)} points" if refined.accepted else "image not trusted: coarse kept"
        draw_cloud(figure.add_subplot(grid[2], projection="3d"), shape.points, shape.colors, title, TITLE)
        upper, lower = grid[3].subgridspec(2, 1).subplots()
        upper.imshow(image)
        upper.set_title("camera")
        if refined.rendering is not None:
            lower.imshow(refined.rendering)
            lower.set_title("the Gaussians, rendered")
        upper.set_axis_off()
        lower.set_axis_off()
    write_png(figure, path)


def contact_sheet(rows: dict[str, list[Shape]], path: Path) -> None:
    """A row a class, a column a shape: what a person should look at before believing a figure."""
    columns = max(len(shapes) for shapes in rows.values())
    figure = Figure(figsize=(1.9 * columns, 1.9 * len(rows)), dpi=80)
    FigureCanvasAgg(figure)
    for row, (label, shapes) in enumerate(rows.items()):
        for column, shape in enumerate(shapes):
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1, projection="3d")
            draw_cloud(axes, shape.points, shape.colors, label if column == 0 else shape.label)
    figure.subplots_adjust(0, 0, 1, 1 - 0.14 / len(rows), 0, 0.08)  # room for the first row's titles
    write_png(figure, path)


def write_png(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
