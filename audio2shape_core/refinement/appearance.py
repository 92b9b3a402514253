"""Colours: of the whole shape from the picture's, and of what the picture does not show; what it shows."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from audio2shape_core.camera import Camera
from audio2shape_core.clouds import nearest_points
from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.projection import project
from audio2shape_core.splatting.rasterizer import blending_weights

NEIGHBORS = 12
SEEN = 0.3  # a Gaussian seen this well tells others its colour,
GLIMPSED = 0.03  # and one seen this well keeps its own: the image would show the difference
COLOR_SCALE = 0.5  # a full step of one colour channel counts as this much distance (the shape has radius 1)
WIDTH = 0.1  # distance over which neighbours count
TRANSFER_HOLD = 1e-3  # variance of colour below which `color_transfer` trusts the identity more than the pixels
OWN_WEIGHT = 0.2  # pixels: what a Gaussian's own colour weighs in `paint`
AVERAGE_WEIGHT = 0.3  # of the average change, against 1 for each neighbour at no distance


def color_transfer(color: Tensor, alpha: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The affine map of colours that best turns a rendering into the picture: light, white balance, paint.

    Least squares over the pixels that both call object, held to the identity where they say little.

    Arguments:
        color, target: (H, W, 3) over black, 0..1; alpha, mask: (H, W).
    Returns: matrix (3, 3) and offset (3,): new color = matrix @ color + offset.
    """
    both = (alpha > 0.5) & (mask > 0.5)
    if not both.any():
        return torch.eye(3, device=color.device), torch.zeros(3, device=color.device)
    known = torch.cat([color[both], alpha[both][:, None]], 1).double()  # blended colours map to M c + b alpha
    wanted = target[both].double()
    start = torch.cat([torch.eye(3).to(known), (wanted - known[:, :3]).mean(0, keepdim=True)])  # right on average
    hold = TRANSFER_HOLD * len(known) * torch.eye(4).to(known)
    change = torch.linalg.solve(known.T @ known + hold, known.T @ (wanted - known @ start))
    found = (start + change).float()
    return found[:3].T, found[3]


def paint(gaussians: Gaussians, camera: Camera, target: Tensor, mask: Tensor) -> Tensor:
    """(N, 3) colours: of every Gaussian the mean of the pixels that it is seen in, each weighted by its share there.

    What covers less than a pixel keeps a part of its own colour.

    Arguments:
        target: (H, W, 3) over black, 0..1; mask: (H, W).
    """
    total, weight = blending_weights(gaussians, camera, torch.cat([target, mask[..., None]], -1)).split((3, 1), -1)
    return (total + OWN_WEIGHT * gaussians.colors.detach()) / (weight + OWN_WEIGHT)


def visibility(gaussians: Gaussians, camera: Camera) -> Tensor:
    """(N,) 0..1: how much of a Gaussian's footprint reaches the eye; 0 outside the image."""
    means = gaussians.means.detach()
    visible = blending_weights(gaussians, camera, torch.ones((camera.height, camera.width, 1), device=means.device))
    with torch.no_grad():
        pose = torch.as_tensor(camera.world_to_camera, dtype=means.dtype, device=means.device)
        xx, xy, yy = project(gaussians, camera, pose).conics.unbind(-1)
        area = math.tau * (xx * yy - xy * xy).clamp(min=1e-12).rsqrt()  # integral of the footprint, square pixels
        return (visible[:, 0] / (area * gaussians.opacities).clamp(min=1e-6)).clamp(0, 1)


def spread_colors(means: Tensor, colors: Tensor, imagined: Tensor, seen: Tensor) -> Tensor:
    """Carry the change that the image made to the seen colours over to the unseen ones.

    An unseen Gaussian changes like those seen ones that lie near it or near its mirror image (most made and living
    things are symmetric left to right, y -> -y), and that were imagined in a similar colour. Where the imagined colours
    were right already nothing changes.

    Arguments:
        means: (N, 3) canonical frame; colors: (N, 3) fitted; imagined: (N, 3) as the generator had them; all 0..1.
        seen: (N,) 0..1.
    Returns: (N, 3) colours; those of Gaussians that the image shows are kept.
    """
    known = (seen > SEEN).cpu().numpy()
    if not known.any():
        return colors
    x, y, z = means.detach().cpu().numpy().T
    features = np.concatenate([np.stack([x, np.abs(y), z], 1), COLOR_SCALE * imagined.detach().cpu().numpy()], 1)
    change = (colors - imagined).detach().cpu().numpy()[known]
    distance, index = nearest_points(features[known], features, NEIGHBORS)
    weight = np.exp(-np.square(distance) / (2 * WIDTH**2))  # (N, K)
    # Far from everything seen there is only the average change to go by.
    total = np.einsum("nk,nkc->nc", weight, change[index]) + AVERAGE_WEIGHT * change.mean(0)
    carried = torch.from_numpy(total / (weight.sum(1, keepdims=True) + AVERAGE_WEIGHT)).to(colors)
    trust = (seen / GLIMPSED).clamp(max=1)[:, None]
    return (trust * colors + (1 - trust) * (imagined + carried)).clamp(0, 1)
