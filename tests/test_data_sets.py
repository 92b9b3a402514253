"""`data build`, `data render` and `data check`: sets made of nothing, and what is wrong with those of others."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio2shape_core.cli.main import main
from audio2shape_core.data import image_bank, shape_bank, sound_bank
from audio2shape_core.data.canonical import TEMPLATE_SEEDS, canonicalize
from audio2shape_core.data.check import check_set
from audio2shape_core.data.completion import TEST_SEEDS, Completion
from audio2shape_core.data.manifest import COLUMNS, load_points, read_manifest, read_rows
from audio2shape_core.errors import InputError
from audio2shape_core.synthetic import data_set
from audio2shape_core.vocabulary import Vocabulary

LABELS = ("guitar", "dog")
COUNTS = data_set.Counts(sounds=(2, 1), shapes=(2, 1), photos=(3, 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "made"
    assert data_set.build_set(folder, LABELS, COUNTS, seed=3) == 22
    return folder


def test_a_made_set_is_whole_and_without_fault(made):
    report = check_set(made)
    assert report.faults == []
    assert report.notes == []
    assert report.counts == {
        ("audio", "train"): 4,
        ("audio", "test"): 2,
        ("shape", "train"): 4,
        ("shape", "test"): 2,
        ("photo", "train"): 6,
        ("photo", "test"): 4,
    }
    assert [path.name for path in made.parent.iterdir()] == ["made"]  # nothing temporary is left


def test_the_banks_read_a_made_set(made):
    rng = np.random.default_rng(0)
    sounds = sound_bank.SoundBank.read(read_manifest(made, "audio", "train"))
    assert {label: len(indices) for label, indices in sounds.by_label.items()} == {"guitar": 2, "dog": 2}
    assert sounds.draw("dog", 1.0, rng).std() > 1e-4
    vocabulary = Vocabulary.default().only(LABELS)
    completion = Completion()
    shapes = shape_bank.training_bank(made, vocabulary, completion, made=3, num_points=256, folder=None)
    assert {label: (len(real), len(made)) for label, (real, made) in shapes.tables.items()} == {
        "guitar": (2, 3),
        "dog": (2, 3),
    }
    assert completion.made == {"sounds": 0, "shapes": 6, "renders": 0}
    real = shapes.tables["dog"][0].take([0, 1])
    assert real["points"].shape == (2, 256, 3)
    assert real["colored"].all()
    photos = image_bank.read_photos(read_manifest(made, "photo", "train"), LABELS, 64)
    assert {label: len(pictures) for label, pictures in photos.items()} == {"guitar": 3, "dog": 3}
    assert photos["dog"].std() > 5


def test_made_shapes_are_in_canonical_pose_already(made):
    items = read_manifest(made, "shape", "train")
    for item, (points, _) in zip(items, load_points(items)):
        assert np.abs(canonicalize(points, item.label, yaw_deg=item.yaw_deg) - points).max() < 2e-3  # half precision


def test_one_seed_makes_one_set_and_another_seed_another(made, tmp_path):
    def content(folder):
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*") if p.suffix != ".npz"}

    few = data_set.Counts(sounds=(1, 1), shapes=(1, 1), photos=(1, 1))
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        data_set.build_set(tmp_path / name, ("bell",), few, seed)
    first, again, other = (content(tmp_path / name) for name in "abc")
    assert first == again
    assert not set(first.values()) & set(other.values())
    shapes = [load_points(read_manifest(tmp_path / name, "shape", "test"))[0][0] for name in "abc"]
    assert np.array_equal(shapes[0], shapes[1])
    assert not np.array_equal(shapes[0], shapes[2])


@given(seed=st.integers(0, 10_000), count=st.integers(1, 100_000))
def test_no_split_shares_a_seed_with_another_or_with_training(seed, count):
    train, test = (data_set.seeds_of(seed, split, count) for split in (0, 1))
    training = (range(100_000), TEST_SEEDS, TEMPLATE_SEEDS)
    ranges = sorted((train, test, data_set.seeds_of(seed + 1, 0, count), *training), key=lambda r: r.start)
    assert all(first.stop <= second.start for first, second in zip(ranges, ranges[1:]))


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["data", "build", str(tmp_path), "--classes", "bell"]) == 2
    error = capsys.readouterr().err
    assert "already holds something" in error
    assert error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(data_set, "write_picture", interrupt)
    with pytest.raises(KeyboardInterrupt):
        data_set.build_set(tmp_path / "set", ("bell",), COUNTS, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_unknown_classes_and_counts_are_refused(tmp_path, capsys):
    assert main(["data", "build", str(tmp_path / "set"), "--classes", "bell,unicorn"]) == 2
    assert "cannot make unicorn; expected classes among" in capsys.readouterr().err
    for counts in (["-1", "3"], ["3"], ["100001", "1"]):
        with pytest.raises(SystemExit) as exit_:
            main(["data", "build", str(tmp_path / "set"), "--sounds", *counts])
        assert exit_.value.code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["data", "data build", "data render", "data check", "pretrained"])
def test_commands_explain_themselves(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*command.split(), "--help"])
    assert exit_.value.code == 0
    assert f"usage: audio2shape {command}" in capsys.readouterr().out


def test_rendering_photographs_every_shape_of_a_set(made, tmp_path, capsys):
    assert main(["data", "render", str(made), "--output", str(tmp_path / "r"), "--views", "2"]) == 0
    assert check_set(tmp_path / "r").faults == []
    for split, count in (("train", 8), ("test", 4)):
        photos = read_manifest(tmp_path / "r", "photo", split)
        assert len(photos) == count
        assert {p.group for p in photos} == {s.group for s in read_manifest(made, "shape", split)}
        assert len({cv2.imread(str(p.path)).tobytes() for p in photos}) == count
    assert main(["data", "render", str(tmp_path / "r"), "--output", str(tmp_path / "s")]) == 2
    assert "no shapes to render" in capsys.readouterr().err


def test_names_in_a_set_cannot_lead_pictures_out_of_the_folder(made, tmp_path):
    rows = [dict(row, **{"class": "../../out"}) for _, row in read_rows(made) if row["kind"] == "shape"]
    source = tmp_path / "source"
    shutil.copytree(made / "shapes", source / "shapes")
    data_set.write_manifest(source, rows)
    data_set.render_set(source, tmp_path / "r", views=1, seed=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r", "source"]
    assert len(list((tmp_path / "r" / "photos").rglob("*.jpg"))) == len(rows)


# --- check ---------------------------------------------------------------------------------------------------------


class Broken:
    """A small sound set that a test then breaks."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("audio", "photos", "shapes"):
            (folder / name).mkdir()
        noise = np.random.default_rng(0).standard_normal((3, 8000)) * 0.1
        for index in range(3):
            soundfile.write(folder / f"audio/{index}.wav", noise[index], 16_000)
        cv2.imwrite(str(folder / "photos/a.png"), np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8))
        self.shape = np.random.default_rng(1).uniform(-1, 1, (100, 3))
        self.shapes(**{"a/points": self.shape})
        self.rows = [
            ["audio", "bell", "audio/0.wav", "train", "g0"],
            ["audio", "bell", "audio/1.wav", "train", "g1"],
            ["audio", "bell", "audio/2.wav", "test", "g2"],
            ["photo", "bell", "photos/a.png", "train", "p"],
            ["shape", "bell", "shapes/bell.npz:a", "train", "a"],
        ]

    def shapes(self, **arrays):
        np.savez(self.folder / "shapes/bell.npz", **arrays)

    def check(self):
        with (self.folder / "MANIFEST.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS[:5], *self.rows])
        return check_set(self.folder)


@pytest.fixture
def broken(tmp_path):
    return Broken(tmp_path)


def test_a_sound_set_has_no_faults(broken):
    report = broken.check()
    assert report.faults == []
    assert (report.rows, report.notes) == (5, [])


def damage(row, **cells):
    """A change to one row of the manifest."""

    def apply(set_):
        for name, text in cells.items():
            set_.rows[row][COLUMNS.index(name)] = text

    return apply


def write(name, data):
    return lambda set_: (set_.folder / name).write_bytes(data)


def sound(name, waveform):
    return lambda set_: soundfile.write(set_.folder / name, waveform, 16_000, subtype="FLOAT")


def shape(points, **more):
    return lambda set_: set_.shapes(**{"a/points": points, **{f"a/{k}": v for k, v in more.items()}})


CLOUD = np.random.default_rng(2).uniform(-1, 1, (100, 3))
FAULTS = {  # name: (damage, line, words of the fault)
    "a missing file": (damage(0, item="audio/none.wav"), 2, "no such file"),
    "a folder": (damage(0, item="audio"), 2, "no such file"),
    "text for a sound": (write("audio/1.wav", b"not a sound"), 3, "cannot be decoded"),
    "an empty sound": (write("audio/1.wav", b""), 3, "the file is empty"),
    "a silent sound": (sound("audio/1.wav", np.zeros(8000)), 3, "silent"),
    "a sound with NaN": (sound("audio/1.wav", np.full(8000, np.nan)), 3, "NaN"),
    "a click": (sound("audio/1.wav", np.ones(100)), 3, "expected at least 0.1 s"),
    "text for a photo": (write("photos/a.png", b"no picture"), 5, "cannot be decoded"),
    "an archive of no kind": (write("shapes/bell.npz", b"PK\3\4 no archive"), 6, "cannot read shapes"),
    "an empty archive": (write("shapes/bell.npz", b""), 6, "cannot read shapes"),
    "another model": (damage(4, item="shapes/bell.npz:b"), 6, "b/points"),
    "no model": (damage(4, item="shapes/bell.npz"), 6, "no model named"),
    "flat points": (shape(CLOUD[:, :2]), 6, "expected (N, 3)"),
    "few points": (shape(CLOUD[:20]), 6, "N >= 64"),
    "points with NaN": (shape(np.where(CLOUD > 0.9, np.nan, CLOUD)), 6, "hold NaN"),
    "coinciding points": (shape(np.ones((100, 3))), 6, "coincide"),
    "fewer colors": (shape(CLOUD, colors=np.zeros((99, 3), np.uint8)), 6, "colors are uint8 of shape (99, 3)"),
    "float colors": (shape(CLOUD, colors=CLOUD), 6, "colors are float64"),
    "an unknown kind": (damage(1, kind="video"), 3, "unknown kind 'video'; expected one of audio, shape, photo, other"),
    "an empty class": (damage(1, **{"class": " "}), 3, "'class' is empty"),
    "no group": (damage(1, group=""), 3, "'group' is empty"),
    "a path outside": (damage(1, item="../elsewhere.wav"), 3, "outside the data set"),
    "an absolute path": (damage(1, item="/etc/passwd"), 3, "outside the data set"),
    "a comma too many": (lambda s: s.rows[1].extend(["x"] * 4), 3, "more cells than columns"),
    "an item twice": (damage(1, item="audio/0.wav"), 3, "the same item as line 2"),
    "a divided group": (damage(2, group="g0"), 4, "group 'g0' is in split 'train' on line 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_on_its_line_and_nowhere_else(broken, name):
    apply, line, words = FAULTS[name]
    apply(broken)
    (fault,) = broken.check().faults
    assert fault.line == line
    assert words in fault.text
    assert "\n" not in fault.text


def test_one_content_in_two_splits_is_a_leak(broken):
    (broken.folder / "audio/2.wav").write_bytes((broken.folder / "audio/0.wav").read_bytes())
    (fault,) = broken.check().faults
    assert (fault.line, "line 2, which is in split 'train'" in fault.text) == (4, True)


def test_what_is_odd_but_allowed_is_noted(broken):
    broken.rows[2][1] = broken.rows[0][1] = broken.rows[1][1] = "unicorn"
    broken.rows[2][3] = "validation"
    report = broken.check()
    assert report.faults == []
    assert report.notes == [
        "no sounds of bell: made ones stand in",
        "not in the shipped vocabulary, so not trained on without --vocabulary: unicorn",
        "no split 'test', which `audio2shape evaluate` expects",
    ]


def test_pictures_of_other_things_and_unlabelled_sounds_belong_to_a_set(broken):
    cv2.imwrite(str(broken.folder / "photos/b.png"), np.random.default_rng(3).integers(0, 255, (9, 9, 3), np.uint8))
    broken.rows[0][1] = "unlabelled"
    broken.rows.append(["scene", "street", "photos/b.png", "train", "s"])
    report = broken.check()
    assert (report.faults, report.notes) == ([], [])
    assert report.counts["scene", "train"] == 1
    broken.rows[-1][2] = "photos/none.png"
    assert [fault.line for fault in broken.check().faults] == [7]


def test_what_photos_csv_says_of_nothing_is_noted(broken):
    table = "item,class,split,mask,note\nphotos/a.png,bell,train,masks/a.png,\nphotos/b.png,bell,train,,odd\n"
    (broken.folder / "PHOTOS.csv").write_text(table)
    report = broken.check()
    assert report.faults == []
    assert report.notes == [
        "PHOTOS.csv: 1 rows of pictures that the manifest does not have",
        "PHOTOS.csv: 1 masks are not there",
    ]
    (broken.folder / "PHOTOS.csv").write_text("item\n")
    with pytest.raises(InputError, match="PHOTOS.csv lacks the column"):
        broken.check()


def test_a_heading_that_is_no_angle_is_a_fault_of_its_row(broken):
    with (broken.folder / "MANIFEST.csv").open("w", newline="") as file:
        columns = [*COLUMNS[:5], "yaw_deg"]
        csv.writer(file).writerows([columns, *([*row, ""] for row in broken.rows[:4]), [*broken.rows[4], "north"]])
    (fault,) = check_set(broken.folder).faults
    assert (fault.line, fault.text) == (6, "yaw_deg is 'north'; expected degrees from -360 to 360, or nothing")


def test_a_report_keeps_to_its_lines_whatever_the_cells_hold(broken, capsys):
    broken.rows[0][2] = "audio/\n\x1b[31m" + "x" * 100_000
    broken.rows[1][4] = broken.rows[2][4] = "one\ngroup" + "y" * 100_000
    broken.check()
    assert main(["data", "check", str(broken.folder)]) == 2
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 700
    assert sum(line.startswith("line ") for line in out.splitlines()) == 2


@pytest.mark.parametrize("content", [b"x" * 300_000, b'"' + b"x" * 300_000, b"\xff\xfe", b"\0" * 99, b"kind,class\n"])
def test_a_manifest_that_is_none_is_refused_in_one_line(tmp_path, capsys, content):
    (tmp_path / "MANIFEST.csv").write_bytes(content)
    assert main(["data", "check", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert len(error) < 400


def test_the_command_reports_and_exits_with_2_for_faults(broken, tmp_path, capsys):
    broken.check()
    assert main(["data", "check", str(broken.folder)]) == 0
    assert capsys.readouterr().out.endswith("5 rows, none faulty\n")
    broken.rows[0][2] = "audio/none.wav"
    broken.check()
    assert main(["data", "check", str(broken.folder), "--json", str(tmp_path / "report.json")]) == 2
    out = capsys.readouterr().out
    assert out.startswith("line 2: audio/none.wav: no such file")
    assert out.endswith("5 rows, 1 faulty\n")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["rows"], report["faulty_rows"], report["faults"][0]["line"]) == (5, 1, 2)
    assert report["counts"] == {
        "audio": {"test": 1, "train": 1},
        "shape": {"train": 1},
        "photo": {"train": 1},
        "other": {},
        "scene": {},
    }
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2


CELLS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(rows=st.lists(st.lists(CELLS, max_size=9), max_size=4))
def test_any_table_gets_a_report(broken, rows):
    with (broken.folder / "MANIFEST.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    report = check_set(broken.folder)
    assert {fault.line for fault in report.faults} or report.rows == 0  # no such text names a sound file


@FUZZ
@given(cells=st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["train", "test"])), min_size=1, max_size=5))
def test_what_is_written_as_csv_is_read_back(tmp_path, cells):
    rows = [["audio", label, "a.wav", split, group] for label, group, split in cells]
    with (tmp_path / "MANIFEST.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([COLUMNS[:5], *rows])
    read = [i for split in sorted({row[3] for row in rows}) for i in read_manifest(tmp_path, "audio", split)]
    assert [(i.label, i.group, i.split) for i in read] == sorted(cells, key=lambda cell: cell[2])


@FUZZ
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused_in_one_line(tmp_path, data):
    (tmp_path / "MANIFEST.csv").write_bytes(b"kind,class,item,split,group\n" + data)
    try:
        read_manifest(tmp_path, "audio", "train")
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
