#!/usr/bin/env python3
"""Make the demo's camera frame: a procedural guitar on a table, rendered with our own rasteriser.

    python scripts/make_demo_image.py audio2shape_core/assets/guitar.png

The shape's seed is one that training never drew, and the picture's camera is one that the demo knows.
"""

import sys

import cv2
import numpy as np
import torch

from audio2shape_core.camera import Camera
from audio2shape_core.splatting import Gaussians, render
from audio2shape_core.synthetic.shapes import procedural_shape

WIDTH, HEIGHT, FOV_DEG = 320, 240, 50.0
AZIMUTH_DEG, ELEVATION_DEG = 70.0, 48.0
SEED, POINTS = 300_003, 24_000


def table(rng: np.random.Generator) -> np.ndarray:
    """A plain wooden table top under uneven light: (H, W, 3) in [0, 1]."""
    grain = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH)), (0, 0), sigmaX=24, sigmaY=1.2)
    light = 0.75 + 0.25 * np.linspace(1, 0, WIDTH)[None] * np.linspace(1, 0.6, HEIGHT)[:, None]
    wood = np.array([0.72, 0.66, 0.58]) + 0.25 * grain[..., None]
    return wood * light[..., None]


def main(path: str) -> None:
    rng = np.random.default_rng(0)
    points, colors = procedural_shape("guitar", SEED, POINTS)
    camera = Camera.look_at(AZIMUTH_DEG, ELEVATION_DEG, width=WIDTH, height=HEIGHT, fov_deg=FOV_DEG)
    gaussians = Gaussians.from_cloud(points, colors).solid()
    with torch.inference_mode():
        seen = render(gaussians, camera)
    alpha = seen.alpha.numpy()[..., None]
    shadow = 1 - 0.45 * cv2.GaussianBlur(np.roll(alpha[..., 0], (9, 6), (0, 1)), (0, 0), 5)[..., None]
    picture = seen.color.numpy() + (1 - alpha) * table(rng) * shadow
    picture += rng.normal(0, 0.01, picture.shape)  # a sensor's noise
    cv2.imwrite(path, cv2.cvtColor(np.round(picture.clip(0, 1) * 255).astype(np.uint8), cv2.COLOR_RGB2BGR))
    print(f"{path}: --fx {camera.fx:.1f} --fy {camera.fy:.1f} --cx {camera.cx:.1f} --cy {camera.cy:.1f}")


if __name__ == "__main__":
    main(sys.argv[1])
