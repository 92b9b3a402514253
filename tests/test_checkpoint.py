import pytest
import torch

from audio2shape_core import checkpoint
from audio2shape_core.errors import InputError

TENSORS = {"a": torch.randn(3, 4), "steps": torch.tensor(7)}


def test_what_is_saved_comes_back_in_half_precision(tmp_path):
    path = tmp_path / "deep" / "model.safetensors"
    checkpoint.save(path, "alignment", {"width": 3}, TENSORS, {"steps": 5})
    stored = checkpoint.load(path, "alignment")
    assert torch.equal(stored.tensors["a"], TENSORS["a"].half().float())
    assert stored.tensors["steps"] == 7
    assert (stored.config, stored.info) == ({"width": 3}, {"steps": 5})
    assert list(path.parent.iterdir()) == [path]


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, "alignment", {}, TENSORS, {})
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="does not match its own sha256"):
        checkpoint.load(path, "alignment")


@pytest.mark.parametrize("keep", [0, 5, 60])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, "alignment", {}, TENSORS, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load(path, "alignment")


def test_a_missing_file_and_another_kind_say_what_was_expected(tmp_path):
    with pytest.raises(InputError, match="no weights at"):
        checkpoint.load(tmp_path / "none.safetensors", "alignment")
    checkpoint.save(tmp_path / "judge.safetensors", "judge", {}, TENSORS, {})
    with pytest.raises(InputError, match="expected 'alignment'"):
        checkpoint.load(tmp_path / "judge.safetensors", "alignment")
