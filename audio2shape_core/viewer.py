"""`audio2shape view FILE`: turn a result around in the browser.

viser (https://viser.studio) serves the page and everything on it from this machine; nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.files import read_bytes
from audio2shape_core.formats import obj
from audio2shape_core.formats.obj import Mesh
from audio2shape_core.shape import SUFFIXES, Shape

if TYPE_CHECKING:
    from viser import ViserServer

POINT_SIZE = 0.008  # of the shape's size
VIEWPOINT = np.array([0.75, 0.5, 0.45])  # of the first look, in sizes of the shape from its middle: front and left side


def read_scene(path: str) -> Shape | Mesh:
    """Read what `audio2shape generate` writes, or another file of these formats. Raises InputError for others."""
    file = Path(path)
    if file.suffix not in SUFFIXES:
        raise InputError(f"cannot show {path}: expected a file ending in {', '.join(SUFFIXES)}")
    if file.suffix != ".obj":
        return Shape.load(file)
    try:
        return obj.decode(read_bytes(file, obj.LARGEST_FILE))
    except ValueError as error:
        raise InputError(f"cannot read {path} ({error}); expected a Wavefront .obj with v and f lines") from error


def serve(scene: Shape | Mesh, title: str, *, host: str = "127.0.0.1", port: int = 8080) -> ViserServer:
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


def _add(server: ViserServer, scene: Shape | Mesh, size: float) -> None:
    if isinstance(scene, Mesh):
        import trimesh  # comes with viser

        server.gui.add_markdown(f"{len(scene.points)} vertices, {len(scene.faces)} triangles")
        server.scene.add_mesh_trimesh("/shape", trimesh.Trimesh(scene.points, scene.faces, vertex_colors=scene.colors))
    elif scene.splats is not None:
        splats = scene.splats
        server.gui.add_markdown(f"{len(splats)} Gaussians")
        opacities = splats.opacities[:, None]
        server.scene.add_gaussian_splats("/shape", splats.means, splats.covariances, splats.colors, opacities)
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
