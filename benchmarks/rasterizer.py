#!/usr/bin/env python3
"""How fast is `render`, forward and backward, and how long do refinement steps take on top of it?

    .venv/bin/python benchmarks/rasterizer.py --json out/rasterizer.json

Times a render and its gradient on the CPU kernels, on the plain torch twin (every Gaussian at every pixel), and on
gsplat where CUDA is: the same Gaussians in the same run, in turns. So the ratios hold on a busy machine too; the
milliseconds only on an idle one. The twin holds N x H x W numbers several times over: it is timed on bands of rows that
fit in memory, and the bands are summed. That spares it the Gaussians outside each band, so the ratio is a lower bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from audio2shape_core.benchmark import time_refinement
from audio2shape_core.camera import Camera
from audio2shape_core.cli.arguments import write_json
from audio2shape_core.splatting import Gaussians, render
from audio2shape_core.splatting.reference import render_dense

GAUSSIANS, SIDE = 10_000, 256
BAND_ROWS = 8  # of the twin: 10 000 x 8 x 256 numbers are 80 MB, and a dozen such arrays live at once


def ball(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A bumpy coloured ball: points (N, 3) float32 and colors (N, 3) uint8."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    colors = 127 + 120 * np.sin(6 * points)
    points *= 0.9 + 0.1 * np.sin(5 * points[:, :1])
    return points.astype(np.float32), colors.astype(np.uint8)


def once(draw: Callable, gaussians: Gaussians, camera: Camera) -> float:
    """Seconds of one render and of its gradient with respect to every parameter."""
    leaves = gaussians.map(lambda t: t.detach().clone().requires_grad_())
    if leaves.means.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    out = draw(leaves, camera)
    (out.color.square().sum() + out.alpha.square().sum()).backward()
    if leaves.means.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def bands(gaussians: Gaussians, camera: Camera) -> float:
    """Seconds of the twin, band by band."""
    views = [camera.cropped(0, top, camera.width, BAND_ROWS) for top in range(0, camera.height, BAND_ROWS)]
    return sum(once(render_dense, gaussians, view) for view in views)


def time_rasterizers(runs: int, count: int = GAUSSIANS, side: int = SIDE) -> dict:
    """Median milliseconds of each rasteriser, and how many times longer the twin takes than each other one."""
    camera = Camera.default(side, side)
    gaussians = Gaussians.from_cloud(*ball(count))
    ways = {"kernels": lambda: once(render, gaussians, camera), "twin": lambda: bands(gaussians, camera)}
    if torch.cuda.is_available():
        on_gpu = gaussians.to("cuda")
        ways["gsplat"] = lambda: once(render, on_gpu, camera)
    for name in set(ways) - {"twin"}:
        ways[name]()  # kernels are compiled or loaded
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs):
        for name, way in ways.items():
            if name != "twin" or run % 10 == 0:  # slow: a tenth of the turns are enough
                taken[name].append(way())
    median = {name: 1000 * statistics.median(times) for name, times in taken.items()}
    return {
        "setting": f"{count} Gaussians, {side} px, forward + backward",
        "median_ms": {name: round(ms, 2) for name, ms in median.items()},
        "times_faster_than_twin": {n: round(median["twin"] / ms, 1) for n, ms in median.items() if n != "twin"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="renders of each (default: 30; of the twin, a tenth)")
    parser.add_argument("--json", metavar="FILE", help="also write the result here")
    args = parser.parse_args()
    result: dict = {
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "rasterizer": time_rasterizers(args.runs),
        "refinement": [time_refinement(*ball(2048), steps=300, side=128, device="cpu")],
    }
    if torch.cuda.is_available():
        result["refinement"].append(time_refinement(*ball(GAUSSIANS), steps=500, side=SIDE, device="cuda"))
    print(json.dumps(result, indent=2))
    write_json(args.json, result)


if __name__ == "__main__":
    main()
