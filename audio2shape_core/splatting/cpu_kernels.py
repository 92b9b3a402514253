"""Blending of splats on the CPU: 16 x 16 pixel tiles, in parallel, with its gradient.

Tiles are shared out to plain threads that sleep between frames. (numba's own OpenMP threads spin while they wait: on
cores shared with a robot's other processes a frame took ten times as long.) Any number of callers may render at once.

The inner loops run over eight pixels of a row, without branches, and find all that they change in one array at constant
distances: only then does the compiler turn them into vector instructions. (It gives up where it cannot see that two
arrays do not overlap, or where a division might raise.)

Nothing is shared between tiles: gradients go to one row per (tile, splat) pair and are summed afterwards in a fixed
order, so the same input gives the same bits on any number of threads.

I pairs of tile and splat, N splats, T tiles. F = 4 features of a splat: red, green, blue, depth.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

TILE = 16
ALPHA_MIN = np.float32(1 / 255)
ALPHA_MAX = np.float32(0.999)
TRANSMITTANCE_MIN = np.float32(1e-4)
STRIPS_PER_THREAD = 4
LANES = 8  # pixels of a row that are blended at once: a vector register holds as many numbers
RUNS = TILE // LANES
# What a tile keeps of every pixel while its splats pass, front to back, after four features (forward) or their
# gradients (backward): transmittance in front of the next splat, 1 until the pixel is opaque; backward two more.
LIGHT, LIVE, BEHIND, G_ALPHA = 4, 5, 6, 7
GRADIENTS = 10  # per pair: mean x y, conic xx xy yy, opacity, four features

# Sums may be reordered and fused, which vector code needs; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "nsz"}


def compiled(**options):
    """`numba.njit` that keeps its machine code on disk, or only in memory where no folder can be written."""

    def decorate(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function ...: no locator available"
            return numba.njit(**options)(function)

    return decorate


@compiled()
def sort_into_tiles(means2d, extents, depths, width, height):
    """List the splats of every tile, front to back.

    Returns: pairs (I,) splat of each pair, grouped by tile; starts (T + 1,) where each tile's group begins.
    """
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
    return pairs, starts


@numba.njit(inline="always", fastmath=_FAST)
def _falloff(distance):
    """exp(-distance) for 0 <= distance <= 6 to about 1e-6, without a call: eighth power of a Taylor polynomial."""
    t = distance * np.float32(-0.125)
    e = np.float32(1) + t * (
        np.float32(1)
        + t
        * (
            np.float32(1 / 2)
            + t
            * (
                np.float32(1 / 6)
                + t
                * (
                    np.float32(1 / 24)
                    + t * (np.float32(1 / 120) + t * (np.float32(1 / 720) + t * np.float32(1 / 5040)))
                )
            )
        )
    )
    e *= e
    e *= e
    return e * e


@numba.njit(inline="always")
def _in_tile(i, left, top, means2d, conics, extents):
    """Splat i as a tile sees it: its centre from the tile's first pixel, its conic with halved squares, and the rows
    and runs of LANES columns that it touches (half-open)."""
    mx, my = means2d[i, 0] - np.float32(left + 0.5), means2d[i, 1] - np.float32(top + 0.5)
    first_row, last_row = max(0, int(np.ceil(my - extents[i, 1]))), min(TILE, int(np.floor(my + extents[i, 1])) + 1)
    first, last = max(0, int(np.ceil(mx - extents[i, 0]))), min(TILE, int(np.floor(mx + extents[i, 0])) + 1)
    conic = conics[i, 0] * np.float32(0.5), conics[i, 1], conics[i, 2] * np.float32(0.5)
    return mx, my, conic, (first_row, last_row), (first // LANES, (last + LANES - 1) // LANES)


@compiled(nogil=True, fastmath=_FAST, error_model="numpy")
def _blend_tiles(begin, end, means2d, conics, features, opacities, extents, pairs, starts, image, alpha):
    height, width = alpha.shape
    across = (width + TILE - 1) // TILE
    state = np.empty((TILE, RUNS, 6, LANES), np.float32)
    for tile in range(begin, end):
        left, top = (tile % across) * TILE, (tile // across) * TILE
        state[:, :, :4] = 0  # red, green, blue, depth
        state[:, :, LIGHT:] = 1
        for pair in range(starts[tile], starts[tile + 1]):
            i = pairs[pair]
            mx, my, (xx, xy, yy), rows, runs = _in_tile(i, left, top, means2d, conics, extents)
            opacity = opacities[i]
            f0, f1, f2, f3 = features[i, 0], features[i, 1], features[i, 2], features[i, 3]
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
                        state[row, run, 0, lane] += weight * f0
                        state[row, run, 1, lane] += weight * f1
                        state[row, run, 2, lane] += weight * f2
                        state[row, run, 3, lane] += weight * f3
            if pair % 16 == 0 and state[:, :, LIVE].sum() == 0:
                break
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = state[row, column // LANES, :, column % LANES]
                for k in range(4):
                    image[k, top + row, left + column] = pixel[k]
                alpha[top + row, left + column] = np.float32(1) - pixel[LIGHT]


@compiled(nogil=True, fastmath=_FAST, error_model="numpy")
def _blend_tiles_backward(
    begin, end, means2d, conics, features, opacities, extents, pairs, starts, image, alpha, g_image, g_alpha, per_pair
):
    height, width = alpha.shape
    across = (width + TILE - 1) // TILE
    state = np.empty((TILE, RUNS, 8, LANES), np.float32)
    for tile in range(begin, end):
        left, top = (tile % across) * TILE, (tile // across) * TILE
        state[:] = 0
        state[:, :, LIGHT] = 1
        for row in range(min(TILE, height - top)):
            for column in range(min(TILE, width - left)):
                pixel = state[row, column // LANES, :, column % LANES]
                y, x = top + row, left + column
                for k in range(4):
                    pixel[k] = g_image[k, y, x]
                    pixel[BEHIND] += pixel[k] * image[k, y, x]
                pixel[G_ALPHA] = g_alpha[y, x]
                pixel[BEHIND] += pixel[G_ALPHA] * alpha[y, x]
                pixel[LIVE] = 1
        for pair in range(starts[tile], starts[tile + 1]):
            i = pairs[pair]
            mx, my, (xx, xy, yy), rows, runs = _in_tile(i, left, top, means2d, conics, extents)
            opacity = opacities[i]
            f0, f1, f2, f3 = features[i, 0], features[i, 1], features[i, 2], features[i, 3]
            sx = sy = sxx = sxy = syy = so = s0 = s1 = s2 = s3 = np.float32(0)
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
                        g0, g1 = state[row, run, 0, lane], state[row, run, 1, lane]
                        g2, g3 = state[row, run, 2, lane], state[row, run, 3, lane]
                        value = g0 * f0 + g1 * f1 + g2 * f2 + g3 * f3 + state[row, run, G_ALPHA, lane]
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
                        s3 += weight * g3
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
            per_pair[pair, 6], per_pair[pair, 7], per_pair[pair, 8], per_pair[pair, 9] = s0, s1, s2, s3
            if pair % 16 == 0 and state[:, :, LIVE].sum() == 0:
                break


@compiled()
def _sum_by_splat(per_pair, pairs, count):
    total = np.zeros((count, GRADIENTS), np.float32)
    for pair in range(len(pairs)):
        for k in range(GRADIENTS):
            total[pairs[pair], k] += per_pair[pair, k]
    return total


def blend(means2d, conics, features, opacities, extents, pairs, starts, width, height):
    """Front-to-back alpha blending.

    Arguments: means2d (N, 2), conics (N, 3), features (N, 4), opacities (N,), extents (N, 2), all float32; pairs and
    starts from `sort_into_tiles`.
    Returns: image (4, H, W) blended features over nothing (premultiplied); alpha (H, W).
    """
    image, alpha = np.zeros((4, height, width), np.float32), np.zeros((height, width), np.float32)
    _share_out(_blend_tiles, starts, means2d, conics, features, opacities, extents, pairs, starts, image, alpha)
    return image, alpha


def blend_backward(means2d, conics, features, opacities, extents, pairs, starts, image, alpha, g_image, g_alpha):
    """Gradient of `blend`.

    Runs front to back like the forward pass. With v_i = <g, features_i> + g_alpha and weights w_i = a_i T_i,
    dL/da_i = T_i v_i - (sum of w_j v_j behind i) / (1 - a_i); the sum behind is the total minus what has passed.
    Arguments: image (4, H, W), alpha (H, W) as returned by `blend`; g_image, g_alpha their gradients.
    Returns (N, 10): mean x y, conic xx xy yy, opacity, four features.
    """
    per_pair = np.zeros((len(pairs), GRADIENTS), np.float32)
    _share_out(
        _blend_tiles_backward,
        starts,
        means2d,
        conics,
        features,
        opacities,
        extents,
        pairs,
        starts,
        image,
        alpha,
        g_image,
        g_alpha,
        per_pair,
    )
    return _sum_by_splat(per_pair, pairs, len(means2d))


WORKERS = numba.config.NUMBA_NUM_THREADS  # the machine's cores, or the environment variable of that name
_threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="splat")


def _share_out(kernel, starts, *arguments) -> None:
    """Run `kernel(begin, end, ...)` over all tiles, cut into runs of equal work that threads take as they come.

    A helper that wakes late, because the cores are busy elsewhere, is not waited for: this thread does its share.
    """
    cuts = np.searchsorted(starts, np.linspace(0, starts[-1], STRIPS_PER_THREAD * WORKERS + 1)[1:-1])
    cuts = [0, *cuts.tolist(), len(starts) - 1]
    strips = deque(zip(cuts[:-1], cuts[1:]))

    def work() -> None:
        while strips:
            try:
                begin, end = strips.popleft()
            except IndexError:  # the other thread was faster
                return
            kernel(begin, end, *arguments)

    helpers = [_threads.submit(work) for _ in range(WORKERS - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
