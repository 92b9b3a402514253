"""File formats: what is written is read back field by field, by us and by others; what is damaged is refused."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import box_cloud

from audio2shape_core.errors import InputError
from audio2shape_core.formats import gaussians_ply, npz, obj, ply, splat
from audio2shape_core.shape import NPZ_NAMES, Shape
from audio2shape_core.splats import Splats
from audio2shape_core.splatting.gaussians import Gaussians


@pytest.fixture
def splats() -> Splats:
    """Random, with turns of every kind, from nearly clear to nearly solid."""
    rng = np.random.default_rng(0)
    points, colors = box_cloud(count=50)
    quats = rng.normal(size=(50, 4))
    opacities, scales = np.linspace(0.01, 0.99, 50), rng.uniform(0.01, 0.2, (50, 3))
    return Splats.read(points, quats, scales, opacities, colors / 255.0)


def test_gaussians_and_splats_are_the_same_primitives(splats):
    back = Gaussians.from_splats(splats).to_splats()
    for name, values in vars(splats).items():
        assert getattr(back, name).dtype == np.float32
        assert np.allclose(getattr(back, name), values, rtol=1e-6, atol=1e-6), name
    cloud = box_cloud(count=300)
    ours, theirs = Splats.from_cloud(*cloud), Gaussians.from_cloud(*cloud)
    assert np.allclose(ours.scales, theirs.scales)
    assert np.allclose(ours.opacities, theirs.opacities)
    assert np.array_equal(ours.quats, theirs.quats.numpy())
    turned = theirs.rotations() * theirs.scales[:, None]
    assert np.allclose(ours.covariances, turned @ turned.mT, atol=1e-7)


def test_ply_comes_back_the_same(splats):
    back = gaussians_ply.decode(ply.read_vertices(gaussians_ply.encode(splats))[0])
    assert np.array_equal(back.means, splats.means)
    for name, values in vars(splats).items():
        assert np.allclose(getattr(back, name), values, rtol=1e-6, atol=1e-6), name


def test_ply_rows_are_those_of_the_reference_code(splats):
    head, body = gaussians_ply.encode(splats).split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 50"]
    rest = " ".join(f"f_rest_{i}" for i in range(45))
    names = f"x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 {rest} opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    assert lines[3:] == [f"property float {name}" for name in names.split()]
    assert len(body) == 50 * 248


def test_splat_rows(splats):
    data = splat.encode(splats)
    assert len(data) == 32 * 50
    rows = np.frombuffer(data, np.uint8).reshape(50, 32)
    numbers = rows[:, :24].copy().view("<f4")
    order = np.argsort(-splats.opacities * splats.scales.prod(1), kind="stable")
    assert np.array_equal(numbers[:, :3], splats.means[order])
    assert np.array_equal(numbers[:, 3:], splats.scales[order])
    assert np.allclose(rows[:, 24:27], 255 * splats.colors[order], atol=0.51)
    assert np.allclose(rows[:, 27], 255 * splats.opacities[order], atol=0.51)
    assert np.allclose((rows[:, 28:] - 128.0) / 128, splats.quats[order], atol=0.01)


def test_splat_comes_back_but_for_its_eight_bit_fields(splats):
    order = np.argsort(-splats.opacities * splats.scales.prod(1), kind="stable")
    back = splat.decode(splat.encode(splats))
    assert np.array_equal(back.means, splats.means[order])
    assert np.array_equal(back.scales, splats.scales[order])
    assert np.allclose(back.colors, splats.colors[order], atol=2.01e-3)
    assert np.allclose(back.opacities, splats.opacities[order], atol=2.01e-3)
    assert np.allclose(back.covariances, splats.covariances[order], atol=1e-3)


# PLY of others: any types, any order, any of the three encodings, other elements before and after.

TYPES = {"x": "double", "red": "uchar", "y": "float", "class": "int", "z": "short", "green": "uint8", "blue": "uchar"}
ROWS = [(0.5, 255, -1.25, -7, 3, 0, 10), (1.5, 1, 2.5, 70_000, -4, 128, 20)]


def foreign_ply(order: str, before: bool) -> bytes:
    """Two coloured points as another program may write them."""
    head = ["ply", f"format {order} 1.0", "comment label a b", "obj_info none"]
    head += ["element camera 3", "property float f", "property uchar n"] if before else []
    head += ["element vertex 2", *(f"property {kind} {name}" for name, kind in TYPES.items())]
    head += ["element face 1", "property list uchar int vertex_indices", "end_header", ""]
    if order == "ascii":
        rows = ["1.5 3"] * 3 * before + [" ".join(map(str, row)) for row in ROWS] + ["3 0 1 0"]
        return ("\r\n".join(head) + "\n".join(rows)).encode()
    mark = "<" if "little" in order else ">"
    row = np.dtype([(name, mark + ply.TYPES[kind]) for name, kind in TYPES.items()])
    cameras = np.zeros(3 * before, [("f", "f4"), ("n", "u1")])
    face = np.array([(3, (0, 1, 0))], [("n", "u1"), ("i", mark + "i4", 3)])
    return "\n".join(head).encode() + cameras.tobytes() + np.array(ROWS, row).tobytes() + face.tobytes()


@pytest.mark.parametrize("order", ply.ORDERS)
@pytest.mark.parametrize("before", [False, True])
def test_ply_of_any_types_and_order_is_read(order, before):
    points, colors, confidence, label = ply.decode(*ply.read_vertices(foreign_ply(order, before)))
    assert np.array_equal(points, np.float32([(0.5, -1.25, 3), (1.5, 2.5, -4)]))
    assert np.array_equal(colors, [(255, 0, 10), (1, 128, 20)])
    assert np.array_equal(confidence, [1, 1])
    assert label == "a b"


@pytest.mark.parametrize("order", ply.ORDERS)
def test_ply_written_by_another_library_is_read(order):
    plyfile = pytest.importorskip("plyfile", reason="plyfile is the second opinion on PLY files")
    rows = np.array(
        [(0.5, -1.25, 3, 1, 0.25, 0), (1.5, 2.5, -4, 0, 0.5, 1)], [(n, "f4") for n in (*"xyz", *ply.COLORS)]
    )
    element = plyfile.PlyElement.describe(rows, "vertex")
    byte_order = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}[order]
    stream = io.BytesIO()
    plyfile.PlyData([element], text=order == "ascii", byte_order=byte_order).write(stream)
    points, colors, *_ = ply.decode(*ply.read_vertices(stream.getvalue()))
    assert np.array_equal(points, [(0.5, -1.25, 3), (1.5, 2.5, -4)])
    assert np.array_equal(colors, [(255, 64, 0), (0, 128, 255)])


def test_gaussians_beside_columns_of_other_types_are_read(splats):
    ours = ply.read_vertices(gaussians_ply.encode(splats))[0]
    names = [name for name in reversed(ours.dtype.names) if not name.startswith(("f_rest", "n"))]
    kinds = {"opacity": ">f8", "scale_0": ">f8"}
    row = np.dtype([("class", "u1"), *((n, kinds.get(n, ">f4")) for n in names), ("instance", ">i4")])
    rows = np.zeros(50, row)
    for name in names:
        rows[name] = ours[name]
    kind = {"u1": "uchar", "f4": "float", "f8": "double", "i4": "int"}
    head = ["ply", "format binary_big_endian 1.0", "element vertex 50"]
    head += [f"property {kind[row[name].str[1:]]} {name}" for name in row.names] + ["end_header", ""]
    back = gaussians_ply.decode(ply.read_vertices("\n".join(head).encode() + rows.tobytes())[0])
    for name, values in vars(splats).items():
        assert np.allclose(getattr(back, name), values, rtol=1e-6, atol=1e-6), name


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"element vertex 2", b"element vertex 999999999999", "cut short"),
        (b"element vertex 2", b"element vertex 0", "no points"),
        (b"element vertex 2", b"element vertex -2", "no element vertex"),
        (b"element vertex 2", b"element vertex " + b"9" * 5000, "integer string"),
        (b"double x", b"list uchar int x", "type list"),
        (b"double x", b"float128 x", "type float128"),
        (b"double x", b"float y", "x, y and z|cut short|'y'"),
        (b"double x", b"double w", "no x, y and z"),
        (b"binary_little_endian", b"binary_middle_endian", "no known format"),
        (b"end_header", b"", "no PLY header"),
    ],
)
def test_forged_ply_headers_are_refused(old, new, reason):
    with pytest.raises(ValueError, match=reason):
        ply.decode(*ply.read_vertices(foreign_ply("binary_little_endian", False).replace(old, new)))


@pytest.mark.parametrize("place", [0, 3, 6, 9, 10, 13])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gaussians_that_are_not_finite_are_refused(splats, place, value):
    rows = ply.read_vertices(gaussians_ply.encode(splats))[0].copy()
    names = [n for n in rows.dtype.names if not n.startswith(("f_rest", "n"))]
    rows[names[place]][7] = value
    if value == np.inf and names[place] == "opacity":
        assert gaussians_ply.decode(rows).opacities[7] == 1  # what its sigmoid is
    else:
        with pytest.raises(ValueError, match="all values finite"):
            gaussians_ply.decode(rows)


def test_splats_without_a_turn_have_none():
    row = np.zeros(1, splat.ROW)
    row["quat"], row["scale"] = 128, 1
    assert np.array_equal(splat.decode(row.tobytes()).quats, [[1, 0, 0, 0]])


# Archives.


def archive(**changes: object) -> bytes:
    points = np.zeros((5, 3), np.float32)
    arrays = dict(zip(NPZ_NAMES, (points, points.astype(np.uint8), points[:, 0], "dog", ["dog"], [0.5], np.eye(4))))
    return npz.encode({name: np.asarray(value) for name, value in (arrays | changes).items()})


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def member(raw: bytes, pack: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", pack) as file:
        file.writestr("points.npy", raw)
    return stream.getvalue()


def described(shape: str, kind: str = "<f4") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x05\x06" + bytes(18),
        member(b""),
        member(header("((((\n")),
        member(header("(" * 9000 + "\n")),
        member(header(described("(1000000000000, 3)")) + bytes(12)),
        member(header(described("(-1, -3)")) + bytes(12)),
        member(header(described("(1000000000000,)", "<U0"))),
        member(header(described("(1,)", "|O")) + b"cos\nsystem\n(S'true'\ntR."),
        member(header(described("(3,)", "<f4")) + bytes(13)),
        member(bytes(npz.LARGEST + 1)),  # 260 kB that become 256 MiB
        member(header(described("(3,)")) + bytes(12))[:-30],
    ],
)
def test_archives_that_lie_are_refused(data):
    peak = peak_of(lambda: refused(lambda: npz.decode(data, ["points"])))
    assert peak < 2.2 * npz.LARGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"points": np.zeros((0, 3)), "colors": np.zeros((0, 3)), "confidence": np.zeros(0)},
        {"points": np.full((5, 3), np.nan)},
        {"points": np.zeros((5, 2))},
        {"points": np.array("text")},
        {"colors": np.zeros((4, 3), np.uint8)},
        {"score_values": np.zeros(2)},
        {"score_labels": np.zeros((1, 1))},
        {"camera_from_shape": np.eye(3)},
    ],
)
def test_archives_of_something_else_are_refused(tmp_path, changes):
    (tmp_path / "a.npz").write_bytes(archive())
    assert Shape.load(tmp_path / "a.npz").label == "dog"
    (tmp_path / "a.npz").write_bytes(archive(**changes))
    with pytest.raises(InputError, match=r"cannot read .*expected"):
        Shape.load(tmp_path / "a.npz")


# Fuzzing: whatever the bytes, a decoder gives something that is whole, or raises ValueError; and takes little memory.


def peak_of(act: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(decode: Callable[[], object]) -> bool:
    """Whether a decoder raises ValueError; what it gives instead must be arrays without Python objects."""
    try:
        result = decode()
    except ValueError:
        return True
    arrays = result.values() if isinstance(result, dict) else result
    assert not any(array.dtype.hasobject for array in arrays)
    return False


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file with bytes changed, cut out or put in, more of them near its head; also its head alone, or any bytes."""
    places = st.one_of(st.integers(0, min(len(whole), 400)), st.integers(0, len(whole)))
    numbers = st.sampled_from([b"-1", b"0", b"4294967296", b"1e999", b"nan", b"list uchar int", b"\n", b"\0"])
    change = st.tuples(places, st.integers(0, 12), st.one_of(st.binary(max_size=8), numbers))

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        data = whole
        for place, length, piece in changes:
            data = data[:place] + piece + data[place + length :]
        return data

    changed = st.lists(change, min_size=1, max_size=4).map(apply)
    return st.one_of(changed, places.map(lambda end: whole[:end]), st.binary(max_size=200))


CLOUD = box_cloud(count=20)
SPLATS = Splats.from_cloud(*CLOUD)
PLY = ply.encode(*CLOUD, np.ones(20), "dog")
MESH = b"v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 0 0 1\nv 0 1 0 1 1 1\nvn 0 0 1\nf 1//1 2//1 3//1 4//1\nf -4 -3 -2\n"
DECODERS = {
    "ply": (PLY, lambda data: ply.decode(*ply.read_vertices(data))[:3]),
    "ascii ply": (foreign_ply("ascii", True), lambda data: ply.decode(*ply.read_vertices(data))[:3]),
    "3dgs.ply": (gaussians_ply.encode(SPLATS), lambda data: vars(gaussians_ply.decode(ply.read_vertices(data)[0]))),
    "splat": (splat.encode(SPLATS), lambda data: vars(splat.decode(data))),
    "obj": (MESH, lambda data: vars(obj.decode(data))),
    "npz": (archive(), lambda data: npz.decode(data, NPZ_NAMES)),
}


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=150, deadline=2000)
@given(data=st.data())
def test_damaged_files_are_read_whole_or_refused(name, data):
    whole, decode = DECODERS[name]
    decode(whole)  # what is imported for it does not count
    damage = data.draw(damaged(whole))
    assert peak_of(lambda: refused(lambda: decode(damage))) < 4_000_000


@pytest.mark.parametrize("name", DECODERS)
def test_whole_files_are_read(name):
    whole, decode = DECODERS[name]
    assert not refused(lambda: decode(whole))


# Round trips.

reals = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=40)
@given(st.data(), st.integers(1, 6), st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=9))
def test_points_come_back_bit_for_bit(data, count, label):
    def draw(element: st.SearchStrategy, width: int, kind: str) -> np.ndarray:
        values = data.draw(st.lists(element, min_size=count * width, max_size=count * width))
        return np.array(values, kind).reshape(count, width)

    points, colors = draw(reals, 3, "f4"), draw(st.integers(0, 255), 3, "u1")
    confidence = draw(st.floats(0, 1, width=32), 1, "f4")[:, 0]
    back = ply.decode(*ply.read_vertices(ply.encode(points, colors, confidence, label)))
    for mine, theirs in zip((points, colors, confidence), back):
        assert mine.tobytes() == theirs.tobytes()
    assert back[3] == label
    again = npz.decode(npz.encode({"a": points, "b": np.asfortranarray(colors), "c": np.array(label)}), "abc")
    assert np.array_equal(again["a"], points)
    assert np.array_equal(again["b"], colors)
    assert str(again["c"]) == label
