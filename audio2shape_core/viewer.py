"""`audio2shape view FILE`: turn a result around in the browser.

viser (https://viser.studio) serves the page and everything on it from this machine; nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import errno
import io
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from audio2shape_core.errors import InputError
from audio2shape_core.formats import obj
from audio2shape_core.formats.obj import Mesh
from audio2shape_core.shape import SUFFIXES, Shape
from audio2shape_core.sources import read_bytes

if TYPE_CHECKING:
    from viser import ViserServer

POINT_SIZE = 0.008  # of the shape's size
PORTS_TRIED = 100
VIEWPOINT = np.array([0.75, 0.5, 0.45])  # of the first look, in sizes of the shape from its middle: front and left side


def read_scene(path: str) -> Shape | Mesh:
    """Read what `audio2shape generate` writes, or another file of these formats. Raises InputError for others."""
    file = Path(path)
    if file.suffix not in SUFFIXES:
        raise InputError(f"cannot show {path}: expected a file ending in {', '.join(SUFFIXES)}")
    if file.suffix != ".obj":
        return Shape.load(file)
    try:
        return obj.decode(read_bytes(file, largest=obj.LARGEST_FILE))
    except ValueError as error:
        raise InputError(f"cannot read {path} ({error}); expected a Wavefront .obj with v and f lines") from error


def serve(scene: Shape | Mesh, title: str, *, host: str = "127.0.0.1", port: int = 8080) -> ViserServer:
    """Show a scene at the first free port from `port` on; returns the running server.

    Pages of other sites get nothing, not even through a name that leads here (DNS rebinding): see `is_own`.
    Raises InputError where viser is not installed, or nothing can listen at `host`.
    """
    try:
        import viser
        import websockets.asyncio.server as sockets
    except ImportError as error:
        raise InputError("the viewer is not installed; pip install 'audio2shape[view]' brings it") from error
    port = _free_port(host, port)
    # viser has no setting for this: while it starts, it is given a socket server that checks each request first.
    unguarded, guarded = sockets.serve, []

    def serve_guarded(*args: Any, process_request: Callable, **settings: Any) -> Any:
        def answer(connection: Any, request: Any) -> Any:
            if is_own(request.headers.get_all("Host"), request.headers.get_all("Origin"), host):
                return process_request(connection, request)
            return connection.respond(403, "This page is for this machine alone.\n")

        guarded.append(host)
        return unguarded(*args, process_request=answer, **settings)

    sockets.serve = serve_guarded  # type: ignore[misc, assignment]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its banner: the caller says the address
            server = viser.ViserServer(host=host, port=port, label=f"audio2shape: {title}", verbose=False)
    finally:
        sockets.serve = unguarded  # type: ignore[misc]
    if not guarded:
        server.stop()
        raise InputError(f"viser {viser.__version__} starts in another way than known; pip install viser==1.1.1")
    low, high = scene.points.min(0).astype(float), scene.points.max(0).astype(float)
    middle, size = (low + high) / 2, float(np.linalg.norm(high - low)) or 1.0
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


def is_own(hosts: list[str], origins: list[str], address: str) -> bool:
    """Whether a request comes from a page of this server, by its Host and Origin headers.

    Host must be an IP address or "localhost": any other name can be made to lead here. If the server listens at a
    loopback `address`, it must be loopback, too; if not, it may be `address` or this machine's name. Origin, if
    there is one, must be that host.
    """
    if len(hosts) != 1 or any(origin.lower() != f"http://{hosts[0]}".lower() for origin in origins):
        return False
    try:
        name = urlsplit(f"//{hosts[0]}").hostname or ""
    except ValueError:
        return False
    if _is_loopback(address) or _is_loopback(name):
        return _is_loopback(name)
    return _ip(name) is not None or name in (address.lower(), socket.gethostname().lower())


def _ip(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    address = _ip(name)
    return name == "localhost" if address is None else address.is_loopback


def _free_port(host: str, port: int) -> int:
    """The first port from `port` on that can be listened at. Raises InputError where there is none."""
    reason: Exception | str = "no port is free"
    for candidate in range(port, min(port + PORTS_TRIED, 65_536)):
        try:
            family, *_, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            socket.create_server(address[:2], family=family).close()
            return candidate
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            if getattr(error, "errno", None) != errno.EADDRINUSE:
                break
    raise InputError(f"cannot listen at {host}, port {port} ({reason}); choose another --host or --port")


def _add(server: ViserServer, scene: Shape | Mesh, size: float) -> None:
    if isinstance(scene, Mesh):
        import trimesh

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
        def _(_event: Any) -> None:
            cloud.point_size = POINT_SIZE * size * slider.value
