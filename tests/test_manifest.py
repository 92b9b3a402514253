import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio2shape_core.data.archives import MOST_POINTS
from audio2shape_core.data.manifest import HEADINGS, Item, item_of, labels_of, load_points, read_manifest
from audio2shape_core.errors import InputError

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEADER = "kind,class,item,split,group,source_repo,source_path,licence\n"


@pytest.fixture
def data(tmp_path):
    (tmp_path / "shapes").mkdir()
    np.savez(
        tmp_path / "shapes/bell.npz",
        **{
            "m_1/points": np.ones((5, 3), np.float16),
            "m_2/points": np.zeros((7, 3)),
            "m_2/colors": np.zeros((7, 3), np.uint8),
        },
    )
    (tmp_path / "MANIFEST.csv").write_text(
        HEADER
        + "audio,bell,audio/bell/a.ogg,train,g1,,,CC0\n"
        + "shape,bell,shapes/bell.npz:m_1,train,m_1,,,CC0\nshape,bell,shapes/bell.npz:m_2,train,m_2,,,CC0\n"
        + "photo,bell,photos/bell/a.jpg,test,p,,,CC0\n"
    )
    return tmp_path


def test_items_come_by_kind_and_split(data):
    (item,) = read_manifest(data, "audio", "train")
    assert (item.label, item.group, item.path) == ("bell", "g1", data / "audio/bell/a.ogg")
    assert [i.key for i in read_manifest(data, "shape", "train")] == ["m_1", "m_2"]
    assert read_manifest(data, "shape", "test") == []


def test_points_come_as_stored(data):
    (first, no_colors), (second, colors) = load_points(read_manifest(data, "shape", "train"))
    assert first.shape == (5, 3)
    assert first.dtype == second.dtype == np.float32
    assert no_colors is None
    assert colors.shape == (7, 3)


def test_faults_are_named(data, tmp_path):
    with pytest.raises(InputError, match="no split 'valid'; it has test, train"):
        read_manifest(data, "audio", "valid")
    with pytest.raises(InputError, match="has no MANIFEST.csv"):
        read_manifest(tmp_path / "shapes", "audio", "train")
    (data / "MANIFEST.csv").write_text("kind,class\naudio,bell\n")
    with pytest.raises(InputError, match="group, item, split"):
        read_manifest(data, "audio", "train")


def test_a_missing_shape_is_named(data):
    items = read_manifest(data, "shape", "train")
    (data / "shapes/bell.npz").unlink()
    with pytest.raises(InputError, match="bell.npz"):
        load_points(items)


def test_the_classes_of_a_split_are_those_of_sounds_shapes_and_photographs(data):
    more = (
        "scene,street,photos/s.jpg,train,s,,,\nother,horse,photos/h.jpg,train,h,,,\naudio,unlabelled,a.ogg,train,u,,,\n"
    )
    with (data / "MANIFEST.csv").open("a") as file:
        file.write(more)
    assert labels_of(data, "train") == {"bell", "unlabelled"}
    assert [item.label for item in read_manifest(data, "scene", "train")] == ["street"]


@pytest.mark.parametrize(
    ("key", "yaw", "expected"),
    [("fg_7", "", 180), ("fg_7", "-33.5", -33.5), ("mine_7", "0", 0.0), ("mine_7", "", None), ("fg_7", " 12 ", 12.0)],
)
def test_a_heading_is_the_rows_own_else_its_collections(tmp_path, key, yaw, expected):
    row = {"kind": "shape", "class": "helicopter", "split": "x", "group": "g", "item": f"a.npz:{key}", "yaw_deg": yaw}
    assert item_of(tmp_path, row).yaw_deg == expected


@pytest.mark.parametrize("yaw", ["north", "nan", "inf", "361", "1e999"])
def test_a_heading_that_is_no_angle_is_refused(tmp_path, yaw):
    row = {"kind": "shape", "class": "dog", "split": "x", "group": "g", "item": "a.npz:k", "yaw_deg": yaw}
    with pytest.raises(InputError, match="expected degrees from -360 to 360"):
        item_of(tmp_path, row)


def test_the_headings_that_ship_are_angles_by_collection_and_class():
    headings = json.loads(HEADINGS.read_text())
    assert headings["modelnet40"]["airplane"] == 180
    assert all(yaw in (-90, 0, 90, 180) for classes in headings.values() for yaw in classes.values())


# --- archives that lie -----------------------------------------------------------------------------------------------


def npy(header, content=b"", version=1):
    """A .npy file with any header, of format `version`."""
    text = header if isinstance(header, bytes) else repr(header).encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text + content


def archive(path, content, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/points.npy", content)
        for name, part in more.items():
            file.writestr(f"a/{name}.npy", part)
    return [Item("shape", "bell", "train", "g", path, "a")]


def header(shape, dtype="<f4", fortran=False):
    return {"descr": dtype, "fortran_order": fortran, "shape": shape}


FLOATS = np.arange(12, dtype="<f4").tobytes()
LIES = {
    "10^12 rows": (npy(header((10**12, 3))), "1e+12 rows of points"),
    "one row too many": (npy(header((MOST_POINTS + 1, 3)), FLOATS), "rows of points"),
    "no rows": (npy(header((0, 3))), "0 rows of points"),
    "negative rows": (npy(header((-4, 3)), FLOATS), "rows of points"),
    "fewer bytes than claimed": (npy(header((5, 3)), FLOATS), "points end after 48 of 60 bytes"),
    "brackets": (npy(b"(" * 60), ""),
    "many brackets": (npy(b"(" * 60_000), ""),
    "a huge header": (npy(b" " * 5_000_000 + b"{}", version=2), ""),
    "no literal": (npy(b"__import__('os').system('touch pwned')"), ""),
    "another literal": (npy(b"[1, 2]"), ""),
    "objects": (npy(header((4, 3), "|O"), FLOATS), "numbers of kind"),
    "text": (npy(header((4, 3), "<U4"), bytes(192)), "numbers of kind"),
    "a strange type": (npy(header((4, 3), [("x", "<f4")]), FLOATS), ""),
    "four dimensions": (npy(header((1, 2, 2, 3)), FLOATS), "expected (N, 3)"),
    "flat": (npy(header((12,)), FLOATS), "expected (N, 3)"),
    "not even that": (b"PK no array", ""),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("name", LIES)
def test_arrays_that_lie_are_refused_in_one_line_and_little_memory(tmp_path, name):
    content, reason = LIES[name]
    items = archive(tmp_path / "bell.npz", content)
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        load_points(items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))
    assert peak < 40e6


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    """Half a gigabyte of zeros behind an honest header of four rows."""
    file = zipfile.ZipFile(tmp_path / "bell.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with file, file.open("a/points.npy", "w", force_zip64=True) as member:
        member.write(npy(header((4, 3)), FLOATS))
        for _ in range(500):
            member.write(bytes(1_000_000))
    assert (tmp_path / "bell.npz").stat().st_size < 5e6
    tracemalloc.start()
    ((points, _),) = load_points([Item("shape", "bell", "train", "g", tmp_path / "bell.npz", "a")])
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert points.tolist() == np.arange(12).reshape(4, 3).tolist()


def test_columns_may_lie_one_after_another(tmp_path):
    points = np.asfortranarray(np.arange(12, dtype=np.float64).reshape(4, 3))
    file = io.BytesIO()
    np.save(file, points)
    ((read, _),) = load_points(archive(tmp_path / "bell.npz", file.getvalue()))
    assert np.array_equal(read, points)


def test_an_encrypted_member_is_refused(tmp_path):
    items = archive(tmp_path / "bell.npz", npy(header((4, 3)), FLOATS))
    content = bytearray(items[0].path.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + offset] |= 1
    items[0].path.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        load_points(items)


@FUZZ
@given(text=st.binary(max_size=200), version=st.sampled_from([1, 2, 3, 9]), content=st.binary(max_size=60))
def test_any_header_is_refused(tmp_path, text, version, content):
    with pytest.raises(InputError) as caught:
        load_points(archive(tmp_path / "bell.npz", npy(text, content, version)))
    assert "\n" not in str(caught.value)


@FUZZ
@given(where=st.integers(0, 10_000), bytes_=st.binary(min_size=1, max_size=4))
def test_any_changed_archive_gives_points_or_one_line(tmp_path, where, bytes_):
    items = archive(tmp_path / "bell.npz", npy(header((4, 3)), FLOATS), colors=npy(header((4, 3), "|u1"), bytes(12)))
    content = bytearray(items[0].path.read_bytes())
    where %= len(content)
    content[where : where + len(bytes_)] = bytes_
    items[0].path.write_bytes(content)
    try:
        ((points, _),) = load_points(items)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert points.shape[1] == 3
