"""The vocabulary as data: what a file may say, and that everything else is refused in one line."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio2shape_core.errors import InputError
from audio2shape_core.vocabulary import Vocabulary

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOUND = {"names": {"dog": 0.9, "bell": 1}, "outside": ["rain"], "held_out": ["siren"], "zero_shot": ["banjo"]}


def written(folder, text):
    path = folder / "vocabulary.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def test_a_file_is_read_in_its_order(tmp_path):
    vocabulary = Vocabulary.read(written(tmp_path, json.dumps(SOUND)))
    assert vocabulary == Vocabulary(("dog", "bell"), (0.9, 1), ("rain",), ("siren",), ("banjo",))
    assert vocabulary.classes == ("dog", "bell", "rain")
    assert (vocabulary.size_m("dog"), vocabulary.size_m("bell")) == (0.9, 1.0)
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary
    with pytest.raises(InputError, match="'rain' is not in the vocabulary; expected one of dog, bell"):
        vocabulary.size_m("rain")


def test_the_shipped_vocabulary_has_24_names_and_no_stranger():
    vocabulary = Vocabulary.default()
    assert (len(vocabulary.names), vocabulary.names[0], vocabulary.names[-1]) == (24, "airplane", "toilet")
    assert (vocabulary.size_m("car"), vocabulary.size_m("harp")) == (4.5, 1.8)
    assert "rain" in vocabulary.outside


def test_the_part_of_a_set_keeps_order_and_sizes():
    part = Vocabulary.default().only({"harp", "dog", "rain", "lamp", "lion"})
    assert part == Vocabulary(("dog", "harp"), (0.9, 1.8), outside=("rain",), held_out=("lion",))
    with pytest.raises(InputError, match="no class of the vocabulary .* is in the data"):
        part.only({"lamp"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "expected {"),
        ("{", "cannot read the vocabulary"),
        ("[" * 100_000, "cannot read the vocabulary"),
        (b"\xff\xfe", "cannot read the vocabulary"),
        ("{" + " " * 1_000_001, "larger than"),
        ('{"names": {}}', "0 names"),
        ('{"names": ["dog"]}', "expected {"),
        ('{"names": {"dog": 1, "dog": 2}}', "'dog' given twice"),
        ('{"names": {"dog": 1}, "outside": ["dog"]}', "dog given twice"),
        ('{"names": {"dog": 1}, "outside": "rain"}', "outside is not a list"),
        ('{"names": {"dog": 1}, "outside": [7]}', "'7' is no name"),
        ('{"names": {"dog": 1}, "sizes": [1]}', "unknown key 'sizes'"),
        ('{"names": {"": 1}}', "is no name"),
        ('{"names": {" dog": 1}}', "is no name"),
        ('{"names": {"do\\ng": 1}}', "is no name"),
        *((f'{{"names": {{"dog": {size}}}}}', "size of 'dog'") for size in ("0", "-1", "NaN", "1e999", "true", '"1"')),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        Vocabulary.read(written(tmp_path, text))
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="none.json"):
        Vocabulary.read(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot read"):
        Vocabulary.read("a\0b")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@FUZZ
@given(names=JSON | st.dictionaries(st.text(max_size=9), JSON, max_size=4), outside=JSON)
def test_any_json_is_a_vocabulary_or_refused(tmp_path, names, outside):
    try:
        vocabulary = Vocabulary.read(written(tmp_path, json.dumps({"names": names, "outside": outside})))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert all(vocabulary.size_m(name) > 0 for name in vocabulary.names)


@FUZZ
@given(data=st.binary(max_size=100))
def test_any_bytes_are_a_vocabulary_or_refused(tmp_path, data):
    with pytest.raises(InputError) as caught:
        Vocabulary.read(written(tmp_path, data))
    assert "\n" not in str(caught.value)
