"""`audio2shape view`: what is read, and what a browser shows of it."""

import http.client
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from browser import CHROMIUM, screenshot_when
from scenes import box_cloud

from audio2shape_core.cli.main import main
from audio2shape_core.errors import InputError
from audio2shape_core.shape import Shape, Splats
from audio2shape_core.viewer import is_own, read_scene, serve

PLY = b"ply\nformat binary_little_endian 1.0\n"
FILES = ("cloud.ply", "gaussians.3dgs.ply", "cloud.npz", "mesh.obj", "gaussians.splat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The lorry in every format."""
    place = tmp_path_factory.mktemp("scenes")
    points, colors = box_cloud(count=2048)
    shape = Shape(points, colors, np.ones(len(points), np.float32), "lorry")
    for name in FILES:
        shape.save(place / name)
    return place


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_read_with_its_colours(folder, name):
    scene = read_scene(str(folder / name))
    points, colors = box_cloud(count=2048)
    assert isinstance(scene, Shape) == (name != "mesh.obj")
    assert (getattr(scene, "splats", None) is not None) == name.startswith("gaussians")
    assert np.allclose(np.ptp(scene.points, axis=0), np.ptp(points, axis=0), atol=0.1)
    unit = scene.colors / (255 if scene.colors.dtype == np.uint8 else 1)
    assert np.allclose(unit.mean(0), colors.mean(0) / 255, atol=0.06)


def test_splats_have_the_covariance_of_their_gaussians(folder):
    expected = np.sort(Splats.from_cloud(*box_cloud(count=2048)).scales ** 2, axis=1)
    found = np.linalg.eigvalsh(read_scene(str(folder / "gaussians.3dgs.ply")).splats.covariances)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-8)


def test_polygons_and_negative_indices_of_an_obj(tmp_path):
    square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvn 0 0 1\nf -4//1 -3//1 -2//1 -1//1\n"
    (tmp_path / "square.obj").write_text(square)
    mesh = read_scene(str(tmp_path / "square.obj"))
    assert sorted(map(sorted, mesh.faces.tolist())) == [[0, 1, 2], [0, 2, 3]]
    assert (mesh.colors == 178).all()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.stl", b""),
        ("a.splat", b"x" * 31),
        ("a.splat", b"\xff" * 32),
        ("a.ply", b"ply\n"),
        ("a.npz", b"PK"),
        ("a.npz", b""),
        ("a.splat", b""),
        ("a.ply", b""),
        ("a.obj", b""),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nend_header\n"),
        ("a.ply", PLY + b"element vertex 99999999999\nproperty float x\nend_header\n" + bytes(99)),
        ("a.ply", PLY + b"element vertex 1\nproperty list uchar int x\nend_header\n" + bytes(99)),
        ("a.ply", PLY + b"element vertex 0\nproperty float x\nend_header\n"),
        ("a.obj", b"v 0 0 0\n"),
        ("a.obj", b"v 0 0 0\nf 1 2 3\n"),
        ("a.obj", b"\xff\xfe"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, capsys, name, content):
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path / f"missing{name}"):
        assert main(["view", str(path)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "expected" in error


def test_without_viser_one_line_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(InputError, match=r"pip install 'audio2shape\[view\]'"):
        serve(read_scene(str(folder / "cloud.ply")), "cloud.ply")


def test_the_command_serves_until_it_is_interrupted(folder):
    pytest.importorskip("viser", reason="the extra [view] is not installed")
    command = [sys.executable, "-m", "audio2shape_core.cli", "view", str(folder / "cloud.ply"), "--port", "18080"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        with urllib.request.urlopen(address, timeout=30) as page:
            assert page.status == 200
            assert b"<script" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "audio2shape: interrupted\n"
    finally:
        process.kill()


@pytest.fixture(scope="module")
def server(folder):
    pytest.importorskip("viser", reason="the extra [view] is not installed")
    started = serve(read_scene(str(folder / "cloud.ply")), "cloud.ply", port=18100)
    yield started
    started.stop()


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("127.0.0.1:{}", "http://127.0.0.1:{}", True),
        ("localhost:{}", "http://localhost:{}", True),
        ("localhost:{}", None, True),  # no browser
        ("localhost:9000", "http://localhost:9000", True),  # through a tunnel
        ("127.0.0.1:{}", "http://evil.example", False),
        ("127.0.0.1:{}", "http://127.0.0.1:1", False),  # another server of this machine
        ("127.0.0.1:{}", "https://127.0.0.1:{}", False),
        ("127.0.0.1:{}", "null", False),
        ("evil.example:{}", "http://evil.example:{}", False),  # its name leads here: DNS rebinding
        ("evil.example:{}", None, False),
        ("127.0.0.1.evil.example:{}", "http://127.0.0.1.evil.example:{}", False),
        ("192.0.2.1:{}", "http://192.0.2.1:{}", False),
    ],
)
def test_only_its_own_page_may_talk_to_it(server, host, origin, own):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    port = server.get_port()
    headers = {"Host": host.format(port), **({"Origin": origin.format(port)} if origin else {})}
    page = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    page.request("GET", "/", headers=headers)
    assert page.getresponse().status == (200 if own else 403)

    with socket.create_connection(("127.0.0.1", port)) as plain:
        address = f"ws://{headers['Host']}"
        settings = {"sock": plain, "origin": headers.get("Origin"), "subprotocols": [f"viser-v{viser_version()}"]}
        if own:
            with connect(address, **settings) as talking:
                assert talking.recv(timeout=10)
        else:
            with pytest.raises(InvalidStatus, match="403"):
                connect(address, **settings)


def viser_version() -> str:
    import viser

    return viser.__version__


@pytest.mark.parametrize(
    ("host", "address", "own"),
    [
        ("192.0.2.7:80", "0.0.0.0", True),
        ("[2001:db8::1]:80", "::", True),
        ("[::1]:80", "::1", True),
        ("[::1:80", "::1", False),
        ("evil.example", "0.0.0.0", False),
        ("robot.local:80", "robot.local", True),
        (f"{socket.gethostname()}:80", "0.0.0.0", True),
        (f"{socket.gethostname()}:80", "127.0.0.1", False),
        ("", "127.0.0.1", False),
    ],
)
def test_names_of_a_server_for_others(host, address, own):
    assert is_own([host], [f"http://{host}"], address) is own
    assert not is_own([host], ["http://evil.example"], address)
    assert not is_own([host, host], [], address)


@pytest.mark.parametrize("options", [["--host", "no.such.host.example"], ["--host", "192.0.2.1"], ["--host", "a" * 99]])
def test_an_address_that_cannot_be_listened_at_is_refused_in_one_line(folder, capsys, options):
    pytest.importorskip("viser", reason="the extra [view] is not installed")
    assert main(["view", str(folder / "cloud.ply"), *options]) == 2
    error = capsys.readouterr().err
    assert "choose another --host or --port" in error
    assert error.count("\n") == 1


def test_where_no_port_is_free_one_line_says_so(folder, capsys):
    pytest.importorskip("viser", reason="the extra [view] is not installed")
    with socket.create_server(("127.0.0.1", 65_535)):
        assert main(["view", str(folder / "cloud.ply"), "--port", "65535"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian, Ubuntu: apt install chromium)")
@pytest.mark.parametrize("name", ["cloud.ply", "mesh.obj", "gaussians.splat"])
def test_a_browser_shows_it_and_asks_nobody_else(folder, name):
    pytest.importorskip("viser", reason="the extra [view] is not installed")

    def red_and_blue(picture: np.ndarray) -> bool:
        red, green, blue = picture.astype(int).transpose(2, 0, 1)
        lorry = (red > 1.5 * np.maximum(green, blue)).mean(), (blue > 1.5 * np.maximum(red, green)).mean()
        return min(lorry) > 0.004

    server = serve(read_scene(str(folder / name)), name, port=18090)
    try:
        address = f"http://127.0.0.1:{server.get_port()}"
        _, requests = screenshot_when(address, red_and_blue)
    finally:
        server.stop()
    assert requests
    assert all(url.startswith((address, "data:", f"blob:{address}")) for url in requests)
