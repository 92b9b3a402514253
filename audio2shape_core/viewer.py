"""`audio2shape view FILE`: turn a result around in the browser.

viser (https://viser.studio) serves the page and everything on it from this machine; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio2shape_core.errors import InputError

if TYPE_CHECKING:
    from viser import ViserServer

SUFFIXES = (".ply", ".splat", ".npz", ".obj")
POINT_SIZE = 0.008  # of the shape's size
VIEWPOINT = np.array([0.75, 0.5, 0.45])  # of the first look, in sizes of the shape from its middle: front and left side


@dataclass(frozen=True)
class Cloud:
    """points (N, 3) float32; colors (N, 3) uint8."""

    points: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class Splats:
    """points (N, 3) centres; covariances (N, 3, 3); colors (N, 3) and opacities (N, 1), 0..1; all float32."""

    points: np.ndarray
    covariances: np.ndarray
    colors: np.ndarray
    opacities: np.ndarray


@dataclass(frozen=True)
class Mesh:
    """points (V, 3) float32; faces (F, 3) int; colors (V, 3) uint8."""

    points: np.ndarray
    faces: np.ndarray
    colors: np.ndarray


def add_command(commands: argparse._SubParsersAction) -> None:
    """Put `view` on the command line."""
    p = commands.add_parser("view", help="look at a result in the browser (needs the extra [view])")
    p.add_argument("file", metavar="FILE", help=f"{', '.join(SUFFIXES)}; a .ply may hold points or 3D Gaussians")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in")
    p.add_argument("--port", type=int, default=8080, help="first port to try (default: 8080)")
    p.set_defaults(run=view)


def view(args: argparse.Namespace) -> None:
    """Serve until interrupted."""
    server = serve(read_scene(args.file), Path(args.file).name, host=args.host, port=args.port)
    print(f"{args.file} at http://{args.host}:{server.get_port()}  (stop with Ctrl-C)", flush=True)
    server.sleep_forever()


def read_scene(path: str) -> Cloud | Splats | Mesh:
    """Read what `audio2shape generate` writes, or another file of these formats. Raises InputError for others."""
    file = Path(path)
    if file.suffix not in SUFFIXES:
        raise InputError(f"cannot show {path}: expected a file ending in {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InputError(f"no file at {path}; expected a result of `audio2shape generate`")
    if file.suffix == ".obj":
        return _read_obj(file)
    data = file.read_bytes()
    if file.suffix == ".splat" or b"property float f_dc_0\n" in data[:4096]:
        from audio2shape_core.formats.splats import from_ply, from_splat

        return _splats((from_splat if file.suffix == ".splat" else from_ply)(data))
    from audio2shape_core.shape import Shape

    shape = Shape.load(file)
    return Cloud(shape.points, shape.colors)


def serve(scene: Cloud | Splats | Mesh, title: str, *, host: str = "127.0.0.1", port: int = 8080) -> ViserServer:
    """Show a scene at the first free port from `port` on; returns the running server."""
    try:
        import viser
    except ImportError as error:
        raise InputError("the viewer is not installed; pip install 'audio2shape[view]' brings it") from error
    if not 1 <= port <= 65535:
        raise InputError(f"--port {port}: expected 1 to 65535")
    with contextlib.redirect_stdout(io.StringIO()):  # its banner: the caller says the address
        server = viser.ViserServer(host=host, port=port, label=f"audio2shape: {title}", verbose=False)
    low, high = scene.points.min(0), scene.points.max(0)
    middle, size = (low + high) / 2, float(np.linalg.norm(high - low))
    server.scene.set_up_direction("+z")
    server.scene.add_grid(
        "/floor",
        width=2 * size,
        height=2 * size,
        cell_size=size / 10,
        section_size=size / 2,
        position=(*middle[:2], low[2]),
    )
    server.initial_camera.position = middle + size * VIEWPOINT
    server.initial_camera.look_at = middle
    server.gui.configure_theme(control_layout="floating", show_logo=False)
    server.gui.set_panel_label(title)
    _add(server, scene, size)
    return server


def _add(server: ViserServer, scene: Cloud | Splats | Mesh, size: float) -> None:
    if isinstance(scene, Mesh):
        import trimesh  # comes with viser

        server.gui.add_markdown(f"{len(scene.points)} vertices, {len(scene.faces)} triangles")
        server.scene.add_mesh_trimesh("/shape", trimesh.Trimesh(scene.points, scene.faces, vertex_colors=scene.colors))
    elif isinstance(scene, Splats):
        server.gui.add_markdown(f"{len(scene.points)} Gaussians")
        server.scene.add_gaussian_splats("/shape", scene.points, scene.covariances, scene.colors, scene.opacities)
    else:
        server.gui.add_markdown(f"{len(scene.points)} points")
        cloud = server.scene.add_point_cloud(
            "/shape",
            scene.points,
            scene.colors,
            point_size=POINT_SIZE * size,
            point_shape="circle",
            point_shading="flat",
            precision="float32",
        )
        slider = server.gui.add_slider("point size", 0.2, 4.0, 0.1, 1.0)

        @slider.on_update
        def _(_event) -> None:
            cloud.point_size = POINT_SIZE * size * slider.value


def _splats(gaussians) -> Splats:
    axes = gaussians.rotations() * gaussians.scales[:, None]
    covariances = (axes @ axes.mT).numpy()
    colors, opacities = gaussians.colors.clamp(0, 1), gaussians.opacities[:, None]
    return Splats(gaussians.means.numpy(), covariances, colors.numpy(), opacities.numpy())


def _read_obj(file: Path) -> Mesh:
    """Triangles, polygons as fans, and vertex colours where there are any."""
    vertices, faces = [], []
    try:
        for line in file.read_text().splitlines():
            kind, *values = line.split() or [""]
            if kind == "v":
                vertices.append(
                    [*map(float, values[:6])] if len(values) >= 6 else [*map(float, values[:3]), 0.7, 0.7, 0.7]
                )
            elif kind == "f":
                corners = [int(value.split("/")[0]) for value in values]
                corners = [c - 1 if c > 0 else len(vertices) + c for c in corners]
                faces += [(corners[0], *pair) for pair in zip(corners[1:-1], corners[2:])]
        table, faces = np.array(vertices, np.float32), np.array(faces)
        if table.shape[1:] != (6,) or faces.ndim != 2 or not 0 <= faces.min() <= faces.max() < len(table):
            raise ValueError("no triangles")
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file} ({error}); expected a Wavefront .obj with v and f lines") from error
    return Mesh(table[:, :3], faces, np.round(255 * table[:, 3:]).clip(0, 255).astype(np.uint8))
