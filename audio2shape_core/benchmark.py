"""`audio2shape benchmark`: speed and memory of the whole way on this machine."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.frame import Frame
from audio2shape_core.looking.foreground import find_foreground
from audio2shape_core.pipeline import AudioToShape
from audio2shape_core.refinement import refine
from audio2shape_core.settings import Sampling, Settings
from audio2shape_core.splatting import Gaussians, render

SAMPLE_RATE = 16_000
RUNS = 15
REFINE_STEPS, REFINE_POINTS, REFINE_PIXELS = 200, 2048, 128


def import_seconds() -> float:
    """Time a fresh interpreter needs for `import audio2shape_core`, beyond starting."""
    code = "import time; t = time.perf_counter(); import audio2shape_core; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    return min(float(run.stdout) for run in runs)


def run_benchmark(*, weights: str | None, device: str) -> dict:
    """Median times in milliseconds (p95 beside them), resident memory in MB. Sound and picture are made on the spot."""
    start = time.perf_counter()
    model = AudioToShape.load(weights, device=device)
    load_s = time.perf_counter() - start
    waveform = (0.1 * np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE)).astype(np.float32)
    model.generate(waveform)  # first call: kernels are chosen and caches filled
    stages: dict[str, list[float]] = {}
    for seed in range(RUNS):
        generation = model.generate(waveform, settings=Settings(sampling=Sampling(seed=seed)))
        for stage, ms in generation.timings_ms.items():
            stages.setdefault(stage, []).append(ms)
    coarse = {
        stage: {"median_ms": round(statistics.median(ms), 1), "p95_ms": round(float(np.percentile(ms, 95)), 1)}
        for stage, ms in stages.items()
        if stage not in ("pose", "refine")
    }
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cloud = generation.coarse.points[:REFINE_POINTS], generation.coarse.colors[:REFINE_POINTS]
    refinement = time_refinement(*cloud, steps=REFINE_STEPS, side=REFINE_PIXELS, device=str(model.device))
    return {
        "device": str(model.device),
        "cores": len(os.sched_getaffinity(0)),
        "import_s": round(import_seconds(), 3),
        "load_s": round(load_s, 2),
        "audio_to_cloud": coarse,
        "refine_s": refinement["seconds"],
        "refine_setting": refinement["setting"],
        "resident_mb_coarse": round(memory_mb),
        "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def time_refinement(points: np.ndarray, colors: np.ndarray, *, steps: int, side: int, device: str) -> dict:
    """Wall and processor seconds of `refine` towards the cloud in other colours and proportions, its pose known."""
    camera = Camera.default(side, side)
    with torch.no_grad():
        seen = render(Gaussians.from_cloud(points, 255 - colors).solid(), camera)
    picture = torch.cat([seen.color, seen.alpha[..., None]], -1).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    flattened = (points * (1, 0.95, 1.05)).astype(np.float32)
    arguments = flattened, colors, Frame(picture, camera, pose_known=True), find_foreground(picture)
    refine(*arguments, iterations=5, device=device)  # kernels are compiled or loaded
    wall, cpu = time.perf_counter(), time.process_time()
    refine(*arguments, iterations=steps, device=device)
    return {
        "setting": f"{steps} steps, {len(points)} Gaussians, {side} px, {device}",
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
