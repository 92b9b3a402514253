"""One picture of one run: what was heard, what was imagined, and with a camera frame what became of it."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from scipy.spatial import cKDTree

from audio2shape_core.audio import SAMPLE_RATE
from audio2shape_core.clouds import spacing, surface_normals
from audio2shape_core.files import replacing

if TYPE_CHECKING:
    from audio2shape_core.results import Generation
    from audio2shape_core.shape import Shape

View = tuple[float, float]
FRONT, BACK = (35.0, 20.0), (215.0, 20.0)  # azimuth from the front and elevation of a view, degrees
SIDE = 420  # pixels of a view
FINER = 2  # drawn so many times as large and averaged, for smooth edges
FILLED = 0.94  # of the picture by the longest side of the shape
DISC = 1.4  # radius, in spacings of the points: discs close the surface
STRAY = 1.2  # radius of the largest disc, in those of a typical one
STEEPEST = 0.3  # cosine between a disc and the line of sight: below, it would vanish
LARGEST_DISC = 24  # pixels
NEIGHBORS = 8  # whose normals are averaged
LIGHT = (-0.45, 0.6, 0.7)  # from where: right, up, towards the viewer
SHADE = 0.42  # brightness of what the light does not reach
LIT = 1.1  # and of what it falls on
TITLE_WIDTH = 44  # characters a line


def draw_cloud(
    points: np.ndarray, colors: np.ndarray, view: tuple[float, float] = FRONT, side: int = SIDE
) -> np.ndarray:
    """A cloud (N, 3) with colours (N, 3) uint8 as lit discs over white, seen from `view`: (side, side, 3) uint8.

    The projection is orthographic, +z is up, and the cloud fills the picture. Nearer discs hide farther ones.
    """
    azimuth, elevation = np.radians(view)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    towards = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    seen = points @ np.stack([right, np.cross(towards, right), towards], axis=1)
    normals = surface_normals(seen)
    normals *= np.where(normals[:, 2:] < 0, -1, 1)  # towards the viewer
    normals = normals[cKDTree(seen).query(seen, min(NEIGHBORS, len(seen)))[1]].mean(1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    light = np.clip(normals @ (np.array(LIGHT) / np.linalg.norm(LIGHT)), 0, 1)
    lit = colors * (SHADE + (LIT - SHADE) * light[:, None])

    large = FINER * side
    low, high = seen[:, :2].min(0), seen[:, :2].max(0)
    radii = DISC * spacing(seen)
    radii = np.minimum(radii, STRAY * np.median(radii))
    scale = FILLED * large / max(float((high - low).max() + radii.max()), 1e-6)
    centers = large / 2 + scale * (seen[:, :2] - (low + high) / 2)
    radii = np.clip(scale * radii, 1, LARGEST_DISC)
    across = np.arange(-LARGEST_DISC, LARGEST_DISC + 1, dtype=np.int32)
    steps = np.stack(np.meshgrid(across, across), -1).reshape(-1, 2)
    steps = steps[np.linalg.norm(steps, axis=1) <= radii.max()]
    tilt = (-normals[:, :2] / np.maximum(normals[:, 2:], STEEPEST)).astype(np.float32)
    slopes = tilt @ steps.T.astype(np.float32)  # (N, K) pixels nearer than the center of the disc
    of_point, of_step = np.nonzero(np.square(steps).sum(1) + np.square(slopes) <= np.square(radii)[:, None])
    pixels = centers.astype(np.int32)[of_point] + steps[of_step]
    nearness = (scale * seen[of_point, 2] + slopes[of_point, of_step]).astype(np.float32)
    order = np.argsort(nearness)
    order = order[((pixels >= 0) & (pixels < large)).all(1)[order]]
    picture = np.full((large, large, 3), 255, np.float32)
    columns, rows = pixels[order].T
    picture[large - 1 - rows, columns] = lit[of_point[order]]  # the last one at a place stays: the nearest
    picture = picture.reshape(side, FINER, side, FINER, 3).mean((1, 3))
    return np.round(picture.clip(0, 255)).astype(np.uint8)


def show(axes: Axes, picture: np.ndarray, title: str = "") -> None:
    """A picture (H, W, 3 or 4) uint8 under its title."""
    axes.imshow(picture)
    axes.set_title(fill(title, TITLE_WIDTH), fontsize=10)
    axes.set_axis_off()


def halves(figure: Figure, place: SubplotSpec) -> tuple[Axes, Axes]:
    """Axes above each other in one place of a grid."""
    parts = place.subgridspec(2, 1)
    return figure.add_subplot(parts[0]), figure.add_subplot(parts[1])


def draw_heard(figure: Figure, place: SubplotSpec, waveform: np.ndarray, generation: Generation) -> None:
    """A spectrogram over a bar chart of the likeliest classes."""
    heard = generation.heard
    upper, lower = halves(figure, place)
    upper.specgram(waveform + 1e-9, NFFT=512, Fs=SAMPLE_RATE, noverlap=256, cmap="magma", vmin=-140)
    upper.set(ylabel="Hz", xlabel="s")
    name = heard.label if generation.known else f"unknown (most like {heard.label}, {heard.confidence:.0%})"
    upper.set_title(f"heard: {name}", fontsize=10)
    best = sorted(heard.scores, key=lambda label: heard.scores[label], reverse=True)[:5]
    lower.barh(best[::-1], [heard.scores[label] for label in best[::-1]], color="#3b6ea5")
    lower.set(xlim=(0, 1))
    lower.set_title(f"confidence {heard.confidence:.2f}", fontsize=10)


def save_preview(path: Path, waveform: np.ndarray, generation: Generation, image: np.ndarray | None) -> None:
    """Write the picture of a run as PNG; arguments as in `draw_run`."""
    write_png(draw_run(waveform, generation, image), path)


def draw_run(waveform: np.ndarray, generation: Generation, image: np.ndarray | None) -> Figure:
    """The picture of a run. waveform: (S,) at 16 kHz; image: (H, W, 3 or 4) uint8 RGB(A) or None.

    An image that was not used is shown with the reason, and nothing is drawn as if it had been.
    """
    shape, coarse, refined = generation.shape, generation.coarse, generation.refined
    fitted = refined if refined is not None and refined.accepted else None
    columns = 3 + (image is not None)
    figure = Figure(figsize=(3.9 * columns, 4.3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, columns)
    draw_heard(figure, grid[0], waveform, generation)
    title = f"imagined: {coarse.label if generation.known else 'unknown'}, {len(coarse.points)} points"
    show(figure.add_subplot(grid[1]), draw_cloud(coarse.points, coarse.colors), title)
    if fitted:
        picture, title = draw_cloud(shape.points, shape.colors), f"refined with the image, {len(shape.points)} points"
    else:
        picture, title = draw_cloud(coarse.points, coarse.colors, BACK), "the same from behind"
    show(figure.add_subplot(grid[2]), picture, title)
    if fitted and image is not None:
        upper, lower = halves(figure, grid[3])
        show(upper, image, "camera")
        lower.set_axis_off()
        if fitted.rendering is not None:
            show(lower, fitted.rendering, "the refined shape as the camera sees it")
    elif image is not None:
        reason = generation.notice.partition("image not used: ")[2] or "refinement did not run"
        show(figure.add_subplot(grid[3]), image, f"camera, not used: {reason}")
    return figure


def contact_sheet(rows: dict[str, list[Shape]], path: Path) -> None:
    """A row a class, a column a shape: what a person should look at before believing a figure."""
    columns = max(len(shapes) for shapes in rows.values())
    figure = Figure(figsize=(1.9 * columns, 2.1 * len(rows)), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    for row, (label, shapes) in enumerate(rows.items()):
        for column, shape in enumerate(shapes):
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1)
            show(axes, draw_cloud(shape.points, shape.colors, side=160), label if column == 0 else shape.label)
    write_png(figure, path)


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
