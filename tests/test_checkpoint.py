"""Checkpoints: what comes back, and that no file whatever gives more than one line."""

import json
import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mini import MINI
from safetensors.torch import save

from audio2shape_core import checkpoint, models
from audio2shape_core.errors import InputError
from audio2shape_core.vocabulary import Vocabulary

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TENSORS = {"a": torch.randn(3, 4), "steps": torch.tensor(7)}
NAMES = Vocabulary(("dog", "bell"), (0.9, 0.25), ("rain",))


def test_what_is_saved_comes_back_in_half_precision(tmp_path):
    path = tmp_path / "deep" / "model.safetensors"
    checkpoint.save(path, "alignment", {"width": 3}, NAMES, TENSORS, {"steps": 5})
    stored = checkpoint.load(path, "alignment")
    assert torch.equal(stored.tensors["a"], TENSORS["a"].half().float())
    assert stored.tensors["steps"] == 7
    assert (stored.config, stored.info, stored.vocabulary) == ({"width": 3}, {"steps": 5}, NAMES)
    assert list(path.parent.iterdir()) == [path]


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, "alignment", {}, NAMES, TENSORS, {})
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="does not match its own sha256"):
        checkpoint.load(path, "alignment")


@pytest.mark.parametrize("keep", [0, 5, 60])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, "alignment", {}, NAMES, TENSORS, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load(path, "alignment")


def test_a_missing_file_and_another_kind_say_what_was_expected(tmp_path):
    with pytest.raises(InputError, match="no weights at .* `audio2shape train align` makes them"):
        checkpoint.load(tmp_path / "none.safetensors", "alignment")
    checkpoint.save(tmp_path / "judge.safetensors", "judge", {}, NAMES, TENSORS, {})
    with pytest.raises(InputError, match="expected 'alignment'"):
        checkpoint.load(tmp_path / "judge.safetensors", "alignment")


def autoencoder():
    """Config, info and tensors of a small autoencoder."""
    torch.manual_seed(0)
    tensors = {
        name: t.half() if t.is_floating_point() else t
        for name, t in models.build_autoencoder(MINI.autoencoder).state_dict().items()
    }
    return json.loads(json.dumps(vars(MINI.autoencoder))), {"vocabulary": NAMES.to_dict(), "quantized": True}, tensors


def forged(path, config, info, tensors):
    """A checkpoint whose hash is right, whatever else it says. Parts that are text stay as they are."""
    header = {"kind": "autoencoder", "sha256": checkpoint.digest(tensors)}
    for name, part in (("config", config), ("info", info)):
        if part is not None:
            header[name] = part if isinstance(part, str) else json.dumps(part)
    path.write_bytes(save(tensors, metadata=header))
    return path


def refusal(path):
    with pytest.raises(InputError) as caught:
        models.load_autoencoder(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    return str(caught.value)


def test_an_honest_one_loads(tmp_path):
    model, config, stored = models.load_autoencoder(forged(tmp_path / "a", *autoencoder()))
    assert (config, stored.vocabulary) == (MINI.autoencoder, NAMES)
    assert model.decode(torch.zeros(1, 16, 32))[0].shape == (1, 256, 3)


WRONG = {
    "no config": ({"config": None}, "'config' is not a JSON object"),
    "no info": ({"info": None}, "'info' is not a JSON object"),
    "bad JSON": ({"config": "{"}, "'config' is not a JSON object"),
    "deep JSON": ({"info": "[" * 100_000}, "'info' is not a JSON object"),
    "a list": ({"config": "[]"}, "'config' is not a JSON object"),
    "no vocabulary": ({"info": {"quantized": True}}, "has no vocabulary: it was made by an older version"),
    "a vocabulary of nothing": ({"info": {"vocabulary": {"names": {}}}}, "0 names"),
    "no width": ({"width": ...}, "(width missing)"),
    "a strange field": ({"colour": 3}, "(colour unknown)"),
    "a width of words": ({"width": "wide"}, "width is 'wide'"),
    "a width of another model": ({"width": 48}, "its tensors are not those of its configuration"),
    "an absurd width": ({"width": 65_536}, "its tensors are not those of its configuration"),
    "an absurd depth": ({"decoder_depth": 10**12}, "decoder_depth is"),
    "no tensors": ({"tensors": {}}, "its tensors are not those of its configuration"),
    "other tensors": ({"tensors": TENSORS}, "its tensors are not those of its configuration"),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_lie_of_a_header_is_refused_in_one_line(tmp_path, name):
    changes, reason = WRONG[name]
    config, info, tensors = autoencoder()
    parts = {"config": config, "info": info, "tensors": tensors}
    for key, value in changes.items():
        if key in parts:
            parts[key] = value
        elif value is ...:
            del config[key]
        else:
            config[key] = value
    assert reason in refusal(forged(tmp_path / "a", parts["config"], parts["info"], parts["tensors"]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    config, info, tensors = autoencoder()
    tensors["latent_std"][3] = value
    assert "'latent_std' holds NaN or infinity" in refusal(forged(tmp_path / "a", config, info, tensors))


def test_weights_of_another_type_are_refused(tmp_path):
    config, info, tensors = autoencoder()
    tensors["latent_std"] = tensors["latent_std"].int()
    assert "its tensors are not those" in refusal(forged(tmp_path / "a", config, info, tensors))


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
)


@FUZZ
@given(field=st.sampled_from(sorted(vars(MINI.autoencoder))), value=VALUES)
def test_any_value_of_a_field_gives_a_model_that_runs_or_is_refused(tmp_path, field, value):
    config, info, tensors = autoencoder()
    path = forged(tmp_path / "a", {**config, field: value}, info, tensors)
    try:
        model, own, _ = models.load_autoencoder(path)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        latents = torch.zeros(1, own.num_tokens, own.latent_dim)
        assert model.decode(latents)[0].shape == (1, own.num_points, 3)


@FUZZ
@given(data=st.binary(max_size=300), claim=st.integers(0, 2**64 - 1) | st.none())
def test_any_bytes_are_refused(tmp_path, data, claim):
    """`claim` is the length of the header, which a safetensors file begins with."""
    path = tmp_path / "a"
    path.write_bytes((struct.pack("<Q", len(data) if claim is None else claim)) + data)
    refusal(path)


@FUZZ
@given(where=st.integers(0, 4000), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_changes_nothing(tmp_path, where, byte):
    config, info, tensors = autoencoder()
    content = bytearray(forged(tmp_path / "a", config, info, tensors).read_bytes())
    content[where] = byte
    (tmp_path / "a").write_bytes(content)
    try:
        model, _, _ = models.load_autoencoder(tmp_path / "a")
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert all(torch.equal(t, model.state_dict()[name].to(t.dtype)) for name, t in tensors.items())
