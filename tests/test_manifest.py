import numpy as np
import pytest

from audio2shape_core.data.manifest import load_points, read_manifest
from audio2shape_core.errors import InputError

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
