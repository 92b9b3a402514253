"""Surfaces that shapes are built from: each knows its area and draws points evenly over itself.

All take and give canonical-frame coordinates (+x front, +y left, +z up), any unit; `Body` normalises at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

Rng = np.random.Generator
Color = tuple[int, int, int]
Turn = np.ndarray | None  # (3, 3) rotation, None for none
T = TypeVar("T")


def pick(rng: Rng, options: Sequence[T], p: Sequence[float] | None = None) -> T:
    """One of some options, with probabilities `p` or evenly."""
    return options[rng.choice(len(options), p=p)]


def shade(color: Color, light: float) -> Color:
    """The colour under `light` (0..1) of full light."""
    red, green, blue = (int(light * c) for c in color)
    return red, green, blue


@dataclass(frozen=True)
class Surface:
    """area in square units; draw(n, rng) -> (n, 3) points, evenly spread."""

    area: float
    draw: Callable[[int, Rng], np.ndarray]


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """(3, 3) rotation by degrees: roll about x, then pitch about y (positive lifts the nose), then yaw about z."""
    y, p, r = np.radians((yaw, -pitch, roll))
    about_z = np.array([[np.cos(y), -np.sin(y), 0], [np.sin(y), np.cos(y), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(p), 0, np.sin(p)], [0, 1, 0], [-np.sin(p), 0, np.cos(p)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(r), -np.sin(r)], [0, np.sin(r), np.cos(r)]])
    return about_z @ about_y @ about_x


FACING_X = rotation(pitch=-90)  # turns +z (a plate's face, an axle) towards +x


def placed(points: np.ndarray, center: ArrayLike, turn: Turn) -> np.ndarray:
    """Points (..., 3) turned about the origin, which then moves to `center`."""
    return points @ (np.eye(3) if turn is None else turn).T + np.asarray(center, float)


def layers(outlines: Sequence[np.ndarray], heights: Sequence[float]) -> np.ndarray:
    """Outlines (L of (K, 2)), each at its height: (L, K, 3) for `grid`."""
    return np.stack([np.column_stack([outline, np.full(len(outline), z)]) for outline, z in zip(outlines, heights)])


def triangles(corners: np.ndarray) -> Surface:
    """A triangle soup: corners (M, 3, 3)."""
    corners = np.asarray(corners, float)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = 0.5 * np.linalg.norm(np.cross(first, second), axis=1)
    ends = np.cumsum(areas)

    def draw(n: int, rng: Rng) -> np.ndarray:
        # Stratified along the summed area: thin triangles get their share even of few points.
        where = (np.arange(n) + rng.random(n)) / n * ends[-1]
        chosen = np.minimum(np.searchsorted(ends, where), len(corners) - 1)
        u, v = rng.random((2, n))
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u)[:, None], np.where(flip, 1 - v, v)[:, None]
        return corners[chosen, 0] + u * first[chosen] + v * second[chosen]

    return Surface(float(ends[-1]), draw)


def grid(points: np.ndarray) -> Surface:
    """A bent sheet through a grid of points (R, C, 3)."""
    a, b, c, d = points[:-1, :-1], points[1:, :-1], points[:-1, 1:], points[1:, 1:]
    upper, lower = np.stack([a, b, c], axis=-2), np.stack([d, c, b], axis=-2)
    return triangles(np.concatenate([upper.reshape(-1, 3, 3), lower.reshape(-1, 3, 3)]))


def box(center: ArrayLike, size: ArrayLike, turn: Turn = None) -> Surface:
    """A cuboid of full edge lengths `size` (3,), turned about its centre."""
    half = np.asarray(size, float) / 2
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            square = np.zeros((2, 2, 3))
            square[..., axis] = side * half[axis]
            square[..., u] = np.array([[-1, 1], [-1, 1]]) * half[u]
            square[..., v] = np.array([[-1, -1], [1, 1]]) * half[v]
            faces.append([[square[0, 0], square[0, 1], square[1, 0]], [square[1, 1], square[0, 1], square[1, 0]]])
    return triangles(placed(np.array(faces).reshape(-1, 3, 3), center, turn))


def ellipsoid(center: ArrayLike, radii: ArrayLike, turn: Turn = None) -> Surface:
    """An ellipsoid of semi-axes `radii` (3,)."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, 13), np.linspace(0, 2 * np.pi, 21), indexing="ij")
    unit = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    return grid(placed(unit * radii, center, turn))


def tube(path: ArrayLike, radii: ArrayLike, *, flatten: float = 1.0, sides: int = 12, closed: bool = True) -> Surface:
    """A tube along a polyline (K, 3) with a radius at each of its points (scalar or (K,)); ends closed by default.

    `flatten` scales the second cross axis: below 1 the tube is a blade.
    """
    path = np.asarray(path, float)
    radii = np.broadcast_to(np.asarray(radii, float), len(path))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    helper = np.eye(3)[np.abs(tangent.mean(0)).argmin()]
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-12
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[:, None, None] * first + flatten * np.sin(angle)[:, None, None] * second
    sheet = path + ring * radii[:, None]  # (sides + 1, K, 3)
    if closed:
        ends = [np.broadcast_to(path[k], (sides + 1, 1, 3)) for k in (0, -1)]
        sheet = np.concatenate([ends[0], sheet, ends[1]], axis=1)
    return grid(sheet)


def revolution(profile: ArrayLike, center: ArrayLike = (0, 0, 0), turn: Turn = None, sides: int = 24) -> Surface:
    """A profile (K, 2) of (radius, height) turned about the z axis."""
    profile = np.asarray(profile, float)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:, None]
    radius, height = profile[:, 0], profile[:, 1]
    sheet = np.stack([radius * np.cos(angle), radius * np.sin(angle), height + 0 * angle], axis=-1)
    return grid(placed(sheet, center, turn))


def disc(center: ArrayLike, radius: float, turn: Turn = None, inner: float = 0.0) -> Surface:
    """A flat ring in the xy plane (before `turn`), from radius `inner` to `radius`."""
    return revolution([(inner, 0.0), (radius, 0.0)], center, turn)


def slab(outline: ArrayLike, thickness: float, center: ArrayLike = (0, 0, 0), turn: Turn = None) -> Surface:
    """A plate in the xy plane (before `turn`), extruded along z by `thickness` about the plane.

    outline (K, 2): star-shaped as seen from its mean (waisted bodies and wings are); closed by itself.
    """
    outline = np.asarray(outline, float)
    ring = np.concatenate([outline, outline[:1]])
    middle, half = np.broadcast_to(outline.mean(0), ring.shape), thickness / 2
    return grid(placed(layers((middle, ring, ring, middle), (-half, -half, half, half)), center, turn))


def smooth(points: ArrayLike, count: int = 24) -> np.ndarray:
    """A smooth curve through a few control points (K, D): (count, D)."""
    from scipy.interpolate import PchipInterpolator

    points = np.asarray(points, float)
    return PchipInterpolator(np.linspace(0, 1, len(points)), points, axis=0)(np.linspace(0, 1, count))


@dataclass
class Body:
    """Parts of a shape, each with a colour and a share of points that may exceed its area's (thin parts matter)."""

    parts: list[tuple[Surface, Color, float]] = field(default_factory=list)

    def add(self, surface: Surface, color: Color, weight: float = 1.0) -> None:
        self.parts.append((surface, color, weight))

    def turn(self, turn: np.ndarray, move: ArrayLike = 0.0) -> None:
        """Turn all parts about the origin, then move them by `move` (3,)."""

        def moved(surface: Surface) -> Surface:
            return Surface(surface.area, lambda n, rng: surface.draw(n, rng) @ turn.T + move)

        self.parts = [(moved(surface), color, weight) for surface, color, weight in self.parts]

    def sample(self, num_points: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """points (N, 3) float32 centred in the unit sphere, colors (N, 3) uint8 with a little shading noise."""
        # A power of the area below 1 gives strings, legs and rotors, which are thin, enough points to be seen.
        shares = np.array([weight * surface.area**0.75 for surface, _, weight in self.parts])
        counts = np.floor(shares / shares.sum() * num_points).astype(int)
        counts[np.argsort(-shares)[: num_points - counts.sum()]] += 1
        points = np.concatenate([surface.draw(n, rng) for (surface, _, _), n in zip(self.parts, counts) if n])
        colors = np.concatenate([np.tile(color, (n, 1)) for (_, color, _), n in zip(self.parts, counts) if n])
        points -= (points.max(0) + points.min(0)) / 2
        points /= np.linalg.norm(points, axis=1).max()
        colors = np.clip(colors + rng.normal(0, 6, (num_points, 1)), 0, 255)
        return points.astype(np.float32), colors.astype(np.uint8)


Builder = Callable[[Body, Rng], None]


def one_of(*builders: Builder, p: Sequence[float]) -> Builder:
    """A class of several kinds, with their probabilities."""
    return lambda body, rng: pick(rng, builders, p)(body, rng)
