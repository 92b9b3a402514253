"""Blending of splats on the CPU: 16 x 16 pixel tiles, in parallel, with its gradient.

Tiles are shared out to plain threads that sleep between frames. (numba's own OpenMP threads spin while they wait: on
cores shared with a robot's other processes a frame took ten times as long.) Any number of callers may render at once.

The inner loops run over eight pixels of a row, without branches, and find all that they change in one array at constant
distances: only then does the compiler turn them into vector instructions. (It gives up where it cannot see that two
arrays do not overlap, or where a division might raise.)

Nothing is shared between tiles: gradients go to one row per (tile, splat) pair and are summed afterwards in a fixed
order, so the same input gives the same bits on any number of threads.

I pairs of tile and splat, N splats, T tiles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np

from audio2shape_core.splatting import projection
from audio2shape_core.splatting.compiled import compiled

TILE = 16
STRIPS_PER_THREAD = 4
LANES = 8  # pixels of a row that are blended at once: a vector register holds as many numbers
RUNS = TILE // LANES
ALPHA_MIN, ALPHA_MAX = np.float32(projection.ALPHA_MIN), np.float32(projection.ALPHA_MAX)
TRANSMITTANCE_MIN = np.float32(projection.TRANSMITTANCE_MIN)
# What a tile keeps of every pixel while its splats pass, front to back, after three colours (forward) or their
# gradients (backward): transmittance in front of the next splat, 1 until the pixel is opaque; backward two more.
LIGHT, LIVE, BEHIND, G_ALPHA = 3, 4, 5, 6
GRADIENTS = 9  # per pair: mean x y, conic xx xy yy, opacity, red, green, blue

# Sums may be reordered and fused, which vector code needs; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "nsz"}


class Splats(NamedTuple):
    """Footprints on the image and what they look like; every array float32."""

    means2d: np.ndarray  # (N, 2) pixels
    conics: np.ndarray  # (N, 3) inverse covariance: xx, xy, yy
    colors: np.ndarray  # (N, 3) 0..1
    opacities: np.ndarray  # (N,) 0..1
    extents: np.ndarray  # (N, 2) half-size of the box that is drawn, pixels


class Tiles(NamedTuple):
    """Which splats touch which tile, front to back."""

    pairs: np.ndarray  # (I,) int32 splat of each pair, grouped by tile
    starts: np.ndarray  # (T + 1,) int64 where each tile's group begins


class Picture(NamedTuple):
    """What is seen, or the gradient of it; float32."""

    color: np.ndarray  # (3, H, W) blended over black (premultiplied)
    alpha: np.ndarray  # (H, W)


@compiled()
def sort_into_tiles(splats: Splats, depths: np.ndarray, width: int, height: int) -> Tiles:
    """List the splats of every tile, front to back.

    Arguments:
        depths: (N,) float32, along the optical axis.
    """
    means2d, extents = splats.means2d, splats.extents
    across, down = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    count = len(means2d)
    box = np.zeros((count, 4), np.int32)  # tile columns and rows touched: left, right, top, bottom (half-open)
    starts = np.zeros(across * down + 1, np.int64)
    for i in range(count):
        ex, ey = extents[i, 0], extents[i, 1]
        if ex <= 0 or ey <= 0:
            continue
        box[i, 0] = max(0, int(np.floor(max(0.0, means2d[i, 0] - ex) / TILE)))
        box[i, 1] = min(across, int(np.ceil(min(float(width), means2d[i, 0] + ex) / TILE)))
        box[i, 2] = max(0, int(np.floor(max(0.0, means2d[i, 1] - ey) / TILE)))
        box[i, 3] = min(down, int(np.ceil(min(float(height), means2d[i, 1] + ey) / TILE)))
        for row in range(box[i, 2], box[i, 3]):
            for column in range(box[i, 0], box[i, 1]):
                starts[row * across + column + 1] += 1
    starts = np.cumsum(starts)
    pairs = np.empty(starts[-1], np.int32)
    cursor = starts[:-1].copy()
    for i in np.argsort(depths, kind="mergesort"):
        for row in range(box[i, 2], box[i, 3]):
            for column in range(box[i, 0], box[i, 1]):
                tile = row * across + column
                pairs[cursor[tile]] = i
                cursor[tile] += 1
    return Tiles(pairs, starts)


@numba.njit(inline="always", fastmath=_FAST)
def _falloff(distance: np.float32) -> np.float32:
    """exp(-distance) for 0 <= distance <= 6 to about 1e-6, without a call: eighth power of a Taylor polynomial."""
    t = distance * np.float32(-0.125)
    e = np.float32(1 / 720) + t * np.float32(1 / 5040)
    e = np.float32(1 / 24) + t * (np.float32(1 / 120) + t * e)
    e = np.float32(1 / 2) + t * (np.float32(1 / 6) + t * e)
    e = np.float32(1) + t * (np.float32(1) + t * e)
    e *= e
    e *= e
    return e * e


@numba.njit(inline="always")
def _in_tile(i: int, left: int, top: int, splats: Splats) -> tuple:
    """Splat i as a tile sees it: its centre from the tile's first pixel, its conic with halved squares, and the rows
    and runs of LANES columns that it touches (half-open)."""
    means2d, conics, extents = splats.means2d, splats.conics, splats.extents
    mx, my = means2d[i, 0] - np.float32(left + 0.5), means2d[i, 1] - np.float32(top + 0.5)
    first_row, last_row = max(0, int(np.ceil(my - extents[i, 1]))), min(TILE, int(np.floor(my + extents[i, 1])) + 1)
    first, last = max(0, int(np.ceil(mx - extents[i, 0]))), min(TILE, int(np.floor(mx + extents[i, 0])) + 1)
    conic = conics[i, 0] * np.float32(0.5), conics[i, 1], conics[i, 2] * np.float32(0.5)
    return mx, my, conic, (first_row, last_row), (first // LANES, (last + LANES - 1) // LANES)


@compiled(nogil=True, fastmath=_FAST, error_model="numpy")
def _blend_tiles(begin: int, end: int, splats: Splats, tiles: Tiles, picture: Picture) -> None:
    colors, opacities, pairs, starts = splats.colors, splats.opacities, tiles.pairs, tiles.starts
    image, alpha = picture
    height, width = alpha.shape
    across = (width + TILE - 1) // TILE
    state = np.empty((TILE, RUNS, 5, LANES), np.float32)
    for tile in range(begin, end):
        left, top = (tile % across) * TILE, (tile // across) * TILE
        state[:, :, :LIGHT] = 0
        state[:, :, LIGHT:] = 1
        for pair in range(starts[tile], starts[tile + 1]):
            i = pairs[pair]
            mx, my, (xx, xy, yy), rows, runs = _in_tile(i, left, top, splats)
            opacity = opacities[i]
            red, green, blue = colors[i, 0], colors[i, 1], colors[i, 2]
            for row in range(rows[0], rows[1]):
                dy = np.float32(row) - my
                for run in range(runs[0], runs[1]):
                    from_left = np.float32(run * LANES) - mx
                    for lane in range(LANES):
                        dx = from_left + np.float32(lane)
                        distance = min(max(xx * dx * dx + xy * dx * dy + yy * dy * dy, np.float32(0)), np.float32(6))
                        a = min(opacity * _falloff(distance), ALPHA_MAX)
                        a = a if a >= ALPHA_MIN else np.float32(0)
                        light = state[row, run, LIGHT, lane]
                        open_ = state[row, run, LIVE, lane]
                        open_ = open_ if light * (np.float32(1) - a) > TRANSMITTANCE_MIN else np.float32(0)
                        weight = a * light * open_
                        state[row, run, LIVE, lane] = open_
                        state[row, run, LIGHT, lane] = light - weight
                        state[row, run, 0, lane] += weight * red
                        state[row, run, 1, lane] += weight * green
                        state[row, run, 2, lane] += weight * blue
            if pair % 16 == 0 and state[:, :, LIVE].sum() == 0:
                break
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = state[row, column // LANES, :, column % LANES]
                for k in range(3):
                    image[k, top + row, left + column] = pixel[k]
                alpha[top + row, left + column] = np.float32(1) - pixel[LIGHT]


@compiled(nogil=True, fastmath=_FAST, error_model="numpy")
def _blend_tiles_backward(
    begin: int, end: int, splats: Splats, tiles: Tiles, picture: Picture, gradient: Picture, per_pair: np.ndarray
) -> None:
    conics, colors, opacities, pairs, starts = splats.conics, splats.colors, splats.opacities, tiles.pairs, tiles.starts
    image, alpha = picture
    g_image, g_alpha = gradient
    height, width = alpha.shape
    across = (width + TILE - 1) // TILE
    state = np.empty((TILE, RUNS, 7, LANES), np.float32)
    for tile in range(begin, end):
        left, top = (tile % across) * TILE, (tile // across) * TILE
        state[:] = 0
        state[:, :, LIGHT] = 1
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = state[row, column // LANES, :, column % LANES]
                y, x = top + row, left + column
                for k in range(3):
                    pixel[k] = g_image[k, y, x]
                    pixel[BEHIND] += pixel[k] * image[k, y, x]
                pixel[G_ALPHA] = g_alpha[y, x]
                pixel[BEHIND] += pixel[G_ALPHA] * alpha[y, x]
                pixel[LIVE] = 1
        for pair in range(starts[tile], starts[tile + 1]):
            i = pairs[pair]
            mx, my, (xx, xy, yy), rows, runs = _in_tile(i, left, top, splats)
            opacity = opacities[i]
            red, green, blue = colors[i, 0], colors[i, 1], colors[i, 2]
            sx = sy = sxx = sxy = syy = so = s0 = s1 = s2 = np.float32(0)
            for row in range(rows[0], rows[1]):
                dy = np.float32(row) - my
                for run in range(runs[0], runs[1]):
                    from_left = np.float32(run * LANES) - mx
                    rd = rx = np.float32(0)  # of this run
                    for lane in range(LANES):
                        dx = from_left + np.float32(lane)
                        distance = min(max(xx * dx * dx + xy * dx * dy + yy * dy * dy, np.float32(0)), np.float32(6))
                        e = _falloff(distance)
                        raw = opacity * e
                        a = min(raw, ALPHA_MAX)
                        a = a if a >= ALPHA_MIN else np.float32(0)
                        light = state[row, run, LIGHT, lane]
                        open_ = state[row, run, LIVE, lane]
                        open_ = open_ if light * (np.float32(1) - a) > TRANSMITTANCE_MIN else np.float32(0)
                        weight = a * light * open_
                        state[row, run, LIVE, lane] = open_
                        state[row, run, LIGHT, lane] = light - weight
                        g0, g1, g2 = state[row, run, 0, lane], state[row, run, 1, lane], state[row, run, 2, lane]
                        value = g0 * red + g1 * green + g2 * blue + state[row, run, G_ALPHA, lane]
                        behind = state[row, run, BEHIND, lane] - weight * value
                        state[row, run, BEHIND, lane] = behind
                        g_a = light * value - behind / (np.float32(1) - a)
                        # no gradient through the cap of alpha, nor where nothing was drawn
                        g_a = g_a * open_ if raw <= ALPHA_MAX else np.float32(0)
                        g_a = g_a if raw >= ALPHA_MIN else np.float32(0)
                        g_d = -g_a * raw
                        rd += g_d
                        rx += g_d * dx
                        sxx += g_d * dx * dx
                        so += g_a * e
                        s0 += weight * g0
                        s1 += weight * g1
                        s2 += weight * g2
                    sx += rx
                    sy += rd * dy
                    sxy += rx * dy
                    syy += rd * dy * dy
            # distance = (cxx dx^2 + cyy dy^2) / 2 + cxy dx dy with dx = pixel - mean
            per_pair[pair, 0] = -(conics[i, 0] * sx + xy * sy)
            per_pair[pair, 1] = -(conics[i, 2] * sy + xy * sx)
            per_pair[pair, 2] = np.float32(0.5) * sxx
            per_pair[pair, 3] = sxy
            per_pair[pair, 4] = np.float32(0.5) * syy
            per_pair[pair, 5] = so
            per_pair[pair, 6], per_pair[pair, 7], per_pair[pair, 8] = s0, s1, s2
            if pair % 16 == 0 and state[:, :, LIVE].sum() == 0:
                break


@compiled()
def _sum_by_splat(per_pair: np.ndarray, pairs: np.ndarray, count: int) -> np.ndarray:
    total = np.zeros((count, GRADIENTS), np.float32)
    for pair in range(len(pairs)):
        for k in range(GRADIENTS):
            total[pairs[pair], k] += per_pair[pair, k]
    return total


def blend(splats: Splats, tiles: Tiles, width: int, height: int) -> Picture:
    """Front-to-back alpha blending."""
    picture = Picture(np.zeros((3, height, width), np.float32), np.zeros((height, width), np.float32))
    _share_out(_blend_tiles, splats, tiles, picture)
    return picture


def blend_backward(splats: Splats, tiles: Tiles, picture: Picture, gradient: Picture) -> np.ndarray:
    """Gradient of `blend`, from the picture that it gave and the gradient of that.

    Runs front to back like the forward pass. With v_i = <g, color_i> + g_alpha and weights w_i = a_i T_i,
    dL/da_i = T_i v_i - (sum of w_j v_j behind i) / (1 - a_i); the sum behind is the total minus what has passed.
    Returns (N, 9): mean x y, conic xx xy yy, opacity, red, green, blue.
    """
    per_pair = np.zeros((len(tiles.pairs), GRADIENTS), np.float32)
    _share_out(_blend_tiles_backward, splats, tiles, picture, gradient, per_pair)
    return _sum_by_splat(per_pair, tiles.pairs, len(splats.means2d))


# The machine's cores, or the environment variable of that name.
WORKERS: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
_threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="splat")


def _share_out(kernel: Callable, splats: Splats, tiles: Tiles, *rest: Picture | np.ndarray) -> None:
    """Run a kernel over all tiles, cut into runs of equal work that threads take as they come.

    A helper that wakes late, because the cores are busy elsewhere, is not waited for: this thread does its share.
    """
    starts = tiles.starts
    shares = np.linspace(0, starts[-1], STRIPS_PER_THREAD * WORKERS + 1)[1:-1]
    cuts = [0, *np.searchsorted(starts, shares).tolist(), len(starts) - 1]
    strips = deque(zip(cuts[:-1], cuts[1:]))

    def work() -> None:
        while strips:
            try:
                begin, end = strips.popleft()
            except IndexError:  # the other thread was faster
                return
            kernel(begin, end, splats, tiles, *rest)

    helpers = [_threads.submit(work) for _ in range(WORKERS - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
