"""Reading and writing files: whole or not at all, through no link, over nothing that is not a file."""

import hashlib
import io
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio2shape_core.cli.main import main
from audio2shape_core.errors import InputError
from audio2shape_core.files import check_paths, check_writable, inside, new_folder, replacing
from audio2shape_core.sources import read_bytes


def write(path, data=b"new"):
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def test_a_file_appears_with_the_permissions_of_any_other(tmp_path):
    write(tmp_path / "sub" / "a.bin")
    (tmp_path / "other").touch()
    assert (tmp_path / "sub/a.bin").read_bytes() == b"new"
    assert (tmp_path / "sub/a.bin").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert os.listdir(tmp_path / "sub") == ["a.bin"]


def fail_halfway(path, failure):
    path.write_bytes(b"half")
    raise failure


def test_a_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    for failure, seen in ((ZeroDivisionError(), ZeroDivisionError), (OSError(28, "disk full"), InputError)):
        with pytest.raises(seen), replacing(tmp_path / "a.bin") as temporary:
            fail_halfway(temporary, failure)
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_temporary_names_are_new_each_time_and_closed_to_others(tmp_path):
    with replacing(tmp_path / "a.ply") as first, replacing(tmp_path / "a.ply") as second:
        assert first != second
        assert first.suffix == ".ply"
        assert first.parent.parent == tmp_path
        assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    assert (tmp_path / "a.ply").read_bytes() == b"1"  # the one that ended last


WRITER = """
import hashlib, sys, threading
from audio2shape_core.files import replacing
def save(number):
    body = bytes([number]) * 200_000
    with replacing(sys.argv[1]) as temporary:
        temporary.write_bytes(hashlib.sha256(body).digest() + body)
sys.stdin.read()
threads = [threading.Thread(target=save, args=(n,)) for n in range(40)]
[t.start() for t in threads], [t.join() for t in threads]
"""


def test_120_saves_at_once_from_threads_and_processes_are_each_whole(tmp_path):
    path = tmp_path / "shape.ply"
    write(path, hashlib.sha256(b"").digest())
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    cut, reads, done = [], [], threading.Event()

    def read():
        while not done.is_set():
            data = path.read_bytes()
            reads.append(len(data))
            if hashlib.sha256(data[32:]).digest() != data[:32]:
                cut.append(len(data))

    reader = threading.Thread(target=read)
    reader.start()
    for writer in writers:
        writer.stdin.close()  # all begin
    failures = [writer.stderr.read() for writer in writers if writer.wait(60)]
    done.set()
    reader.join()
    assert not failures
    assert not any(writer.stderr.read() for writer in writers)
    assert len(reads) > 100
    assert not cut
    assert os.listdir(tmp_path) == ["shape.ply"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "private").write_bytes(b"mine")
    for target in ("private", "nowhere"):
        link = tmp_path / "out.json"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        write(link)
        assert not link.is_symlink()
        assert link.read_bytes() == b"new"
    assert (tmp_path / "private").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("through_link", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket"])
def test_what_is_not_a_file_is_never_replaced(tmp_path, kind, through_link):
    place = tmp_path / "a.json"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "device":
        place = Path("/dev/null")
    else:
        holder = socket.socket(socket.AF_UNIX)
        holder.bind(str(place))
    if through_link:
        (tmp_path / "link.json").symlink_to(place)
        place = tmp_path / "link.json"
    before = os.lstat(place)
    for attempt in (write, check_writable):
        with pytest.raises(InputError, match=f"it is a {kind}"):
            attempt(place)
    assert os.lstat(place) == before
    with pytest.raises(InputError, match="expected a file"):
        read_bytes(place)


def test_what_became_a_pipe_meanwhile_is_not_replaced_either(tmp_path):
    with pytest.raises(InputError, match="it is a pipe"), replacing(tmp_path / "a.json"):
        os.mkfifo(tmp_path / "a.json")
    assert stat.S_ISFIFO((tmp_path / "a.json").stat().st_mode)


@pytest.mark.parametrize("name", ["n" * 256, "a\0b", "\ud800", "sub/" + "n" * 300 + "/a", "\n/" * 2000])
@pytest.mark.parametrize("act", [write, check_writable, read_bytes, lambda path: new_folder(path).__enter__()])
def test_names_that_no_file_can_have_are_refused_in_one_line(tmp_path, name, act):
    with pytest.raises(InputError) as refusal:
        act(f"{tmp_path}/{name}")
    assert str(refusal.value).isprintable()
    assert not os.listdir(tmp_path)


@given(st.text(max_size=20))
def test_messages_are_one_line_whatever_they_quote(text):
    assert str(InputError(f"no file at {text}")).isprintable()
    assert str(InputError("no file at /Gitarre ü.wav")) == "no file at /Gitarre ü.wav"


def test_names_that_are_not_utf8_are_names(tmp_path):
    write(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.ply"))
    assert os.listdir(os.fsencode(tmp_path)) == [b"caf\xe9.ply"]


def test_too_much_is_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="over 1 MiB"):
        read_bytes(tmp_path / "sparse", largest=2**20)


def test_a_folder_appears_filled_and_takes_no_other_place(tmp_path):
    for place in ("fresh", "empty", "deep/er"):
        if place == "empty":
            (tmp_path / place).mkdir()
        with new_folder(tmp_path / place) as folder:
            (folder / "a").write_text("a")
        assert os.listdir(tmp_path / place) == ["a"]
        assert stat.S_IMODE((tmp_path / place).stat().st_mode) == 0o777 & ~umask()
    for taken in ("fresh", "fresh/a"):
        with pytest.raises(InputError, match="already holds"), new_folder(tmp_path / taken):
            pass
    assert sorted(os.listdir(tmp_path)) == ["deep", "empty", "fresh"]


def umask() -> int:
    os.umask(mask := os.umask(0))
    return mask


# Inside a folder, whatever the name tries.


def test_names_below_a_folder_are_written_there(tmp_path):
    for name in ("a.ply", "sub/deep/b.ply", str(tmp_path / "export" / "c.ply")):
        with inside(tmp_path / "export", name) as place:
            write(place)
        assert (tmp_path / "export" / name).read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../a", "sub/../../a", "sub/../a", "/tmp/a", "", ".", "..", "a/.."])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="leads outside"), inside(tmp_path / "export", name):
        pass


def test_no_link_leads_outside(tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a").write_bytes(b"mine")
    export = tmp_path / "export"
    export.mkdir()
    (export / "sub").symlink_to(tmp_path / "private")
    with pytest.raises(InputError, match=f"cannot write {export}/sub/a"), inside(export, "sub/a"):
        pass
    (export / "b").symlink_to(tmp_path / "private" / "a")
    with inside(export, "b") as place:
        write(place)
    (export / "moved").mkdir()
    with inside(export, "moved/a") as place:  # a link that comes meanwhile
        (export / "moved").rename(export / "held")
        (export / "moved").symlink_to(tmp_path / "private")
        write(place)
    assert (export / "held" / "a").read_bytes() == b"new"
    assert (tmp_path / "private" / "a").read_bytes() == b"mine"
    (export / "pipe").mkdir()
    with (
        pytest.raises(InputError, match=f"cannot write {export}/pipe .it is a folder"),
        inside(export, "pipe") as place,
    ):
        write(place)


# All paths of a command.


@pytest.fixture
def sound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sound.wav").write_bytes(b"sound")
    (tmp_path / "soft.wav").symlink_to("sound.wav")
    os.link(tmp_path / "sound.wav", tmp_path / "hard.wav")
    (tmp_path / "sub").mkdir()
    (tmp_path / "here").symlink_to(".")
    return tmp_path / "sound.wav"


@pytest.mark.parametrize(
    "output", ["sound.wav", "./sound.wav", "sub/../sound.wav", "soft.wav", "hard.wav", "here/sound.wav", "{}"]
)
def test_an_output_that_is_an_input_is_refused(sound, output):
    with pytest.raises(InputError, match="--json and AUDIO are the same file"):
        check_paths(
            [("AUDIO", "sound.wav"), ("--image", None)], [("--output", "a.ply"), ("--json", output.format(sound))]
        )
    assert sound.read_bytes() == b"sound"


@pytest.mark.parametrize("other", ["a.ply", "sub/../a.ply", "A.PLY", "here/a.ply"])
def test_outputs_that_are_the_same_are_refused(sound, other):
    with pytest.raises(InputError, match="--json and --output are the same file"):
        check_paths([("AUDIO", sound)], [("--output", "a.ply"), ("--json", other)])


def test_a_file_of_an_input_folder_is_not_replaced(sound):
    with pytest.raises(InputError, match="--picture would replace here/sound.wav, a file of --data"):
        check_paths([("--data", ".")], [("--picture", "here/sound.wav")])
    Path("results.json").touch()
    check_paths([("--data", ".")], [("--json", "results.json"), ("--picture", "new.png")])


def test_different_paths_are_fine_and_nothing_is_left(sound):
    before = sorted(os.listdir())
    Path("A.png").touch()
    Path("a.png").touch()
    check_paths(
        [("AUDIO", sound), ("--image", "A.png"), ("--mask", "A.png")], [("--output", "new/a.ply"), ("--json", "a.png")]
    )
    assert sorted(os.listdir()) == sorted([*before, "A.png", "a.png"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--json", "sound.wav"], "are the same file"),
        (["--image", "a.png", "--preview", "a.png"], "are the same file"),
        (["--output", "a.ply", "--json", "./a.ply"], "are the same file"),
        (["--json", "/dev/null"], "it is a device"),
        (["--json", "x" * 256], "cannot be the name of a file"),
        (["--json", "a\0b"], "cannot be the name of a file"),
        (["--json", "missing/\ud800"], "cannot be the name of a file"),
    ],
)
def test_the_command_line_refuses_such_paths_in_one_line(sound, capsys, options, reason):
    Path("a.png").write_bytes(b"picture")
    before = os.lstat("/dev/null")
    assert main(["generate", "sound.wav", *options]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert os.lstat("/dev/null").st_ino == before.st_ino
    assert sound.read_bytes() == b"sound"
    assert Path("a.png").read_bytes() == b"picture"


def test_names_that_are_not_utf8_can_be_printed(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["generate", "missing.wav"]) == 2
    print("caf\udce9.ply", flush=True)
    assert stdout.buffer.getvalue() == b"caf\\udce9.ply\n"
