"""The model's process, driven without any node: what comes back, what happens when it fails, when it goes away."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import fakes
import numpy as np
import pytest
from graph import gone

from audio2shape_core.errors import Cancelled, DeadlineMissed, InputError
from audio2shape_core.frame import Frame
from audio2shape_core.settings import Refining, Sampling, Settings
from audio2shape_ros.errors import ModelFailed, OutOfMemory
from audio2shape_ros.model.handle import ModelHandle
from audio2shape_ros.model.messages import ModelOptions, Request

SOUND = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)


def options(weights: str = "", **changes) -> ModelOptions:
    return ModelOptions(weights_dir=weights, device="cpu", cpu_threads=1, allow_random=False, **changes)


FRAME = Frame(np.zeros((8, 8, 3), np.uint8))


def request(seed: int = 0, *, steps: int = 4, num_points: int = 300, refine_steps: int = 0, **fields) -> Request:
    settings = Settings(sampling=Sampling(seed, steps, num_points=num_points), refining=Refining(refine_steps))
    return Request(SOUND, 16000, settings, **fields)


def make(handle: ModelHandle, seed: int = 0, progress=None, cancelled: threading.Event | None = None, **fields):
    asked = request(seed, send_progress=progress is not None, **fields)
    return handle.make(asked, cancelled or threading.Event(), progress)


@pytest.fixture(scope="module")
def shared():
    """One process for the tests that leave it as it was."""
    handle = ModelHandle(fakes.load, options(), print)
    handle.start()
    yield handle
    handle.stop()


@pytest.fixture
def handle():
    said = []
    made = ModelHandle(fakes.load, options(), said.append)
    made.said = said
    made.start()
    yield made
    made.stop()


def test_a_shape_comes_back_and_one_seed_gives_one_shape(shared):
    outcomes = [make(shared, seed) for seed in (3, 3, 4)]
    assert (outcomes[0].shape.label, outcomes[0].confidence, outcomes[0].seed) == ("dog", 0.7, 3)
    points = [outcome.shape.points.tobytes() for outcome in outcomes]
    assert points[0] == points[1] != points[2]
    assert list(outcomes[0].timings_ms)[-1] == "total"


def test_every_step_is_reported_if_wanted(shared):
    steps_seen = []
    make(shared, progress=lambda *step: steps_seen.append(step), steps=3)
    assert steps_seen[0] == ("decode", 1, 1)
    assert [t for t in steps_seen if t[0] == "diffuse"] == [("diffuse", n, 3) for n in (1, 2, 3)]


def test_previews_are_reported_if_wanted(shared):
    def previews(**fields) -> list[float]:
        """How much of the finished extent each of them has."""
        steps_seen = []
        outcome = shared.make(request(steps=6, **fields), threading.Event(), on_preview=steps_seen.append)
        return [round(float(np.ptp(shape.points) / np.ptp(outcome.shape.points)), 2) for shape in steps_seen]

    assert previews(send_preview=True, preview_steps=2) == [0.33, 0.67]  # after the last step comes the shape itself
    assert previews(send_preview=True, preview_steps=4, frame=FRAME, refine_steps=2) == [0.67, 1.0]
    assert previews(send_preview=True) == []
    assert previews(preview_steps=2) == []


def test_a_follower_that_fails_does_not_confuse_the_next_request(shared):
    def clumsy(*_):
        raise RuntimeError("the goal is gone")

    assert make(shared, 5, clumsy).seed == 5
    assert make(shared, 6).seed == 6


@pytest.mark.parametrize("stage", ["decode", "encode", "diffuse", "decode_shape", "pose", "refine"])
def test_cancel_reaches_the_next_step(shared, stage):
    cancelled, steps_seen = threading.Event(), []

    def progress(*step):
        steps_seen.append(step)
        if step[0] == stage:
            cancelled.set()

    with pytest.raises(Cancelled):
        make(shared, 0, progress, cancelled, steps=400, frame=FRAME, refine_steps=400)
    after = len(steps_seen) - 1 - next(i for i, step in enumerate(steps_seen) if step[0] == stage)
    assert after < 20  # steps while the word was under way; all 400 would have come otherwise
    assert make(shared, 9).seed == 9


def test_a_missed_deadline_keeps_its_kind(shared):
    with pytest.raises(DeadlineMissed):
        make(shared, steps=1000, deadline=time.monotonic() + 0.05)


def test_out_of_memory_is_tried_once_more_with_less(shared):
    outcome = make(shared, num_points=fakes.POINTS + 1)
    assert len(outcome.shape.points) == fakes.POINTS
    assert "out of memory" in outcome.notice
    outcome = make(shared, fakes.NO_MEMORY_REFINING, frame=FRAME, refine_steps=3)
    assert not outcome.refined
    assert "without refinement" in outcome.notice
    with pytest.raises(OutOfMemory, match="shape.num_points"):
        make(shared, fakes.NO_MEMORY)
    assert not make(shared).notice


def test_a_shape_that_cannot_be_refined_is_given_as_it_is(shared):
    outcome = make(shared, fakes.NO_RASTERIZER, frame=FRAME, refine_steps=3)
    assert not outcome.refined
    assert outcome.notice == "image not used: ModuleNotFoundError: No module named 'gsplat'"


def test_an_exception_of_the_model_is_told_and_costs_no_restart(shared):
    pid = shared.pid
    with pytest.raises(ModelFailed, match="ZeroDivisionError: the model is broken"):
        make(shared, fakes.BROKEN)
    assert make(shared).seed == 0
    assert shared.pid == pid


DEATHS = [(fakes.KILLED, "SIGKILL"), (fakes.CRASHED, "SIGABRT"), (fakes.CUDA, "CUDA")]


@pytest.mark.parametrize(("seed", "reason"), DEATHS)
def test_a_death_costs_the_running_request_and_a_restart(handle, seed, reason):
    before = handle.pid
    with pytest.raises(ModelFailed, match=reason):
        make(handle, seed)
    assert gone(before)
    handle.tend()
    assert make(handle).seed == 0
    assert handle.pid != before
    assert (handle.restarts, handle.problem) == (1, "")


def test_restarts_come_later_and_later(handle):
    for _ in range(3):
        handle.tend()
        with pytest.raises(ModelFailed):
            make(handle, fakes.KILLED)
        while handle.pid is None and "0.0 s" in handle.said[-1]:
            handle.tend()
    delays = [float(line.rsplit(" ", 2)[1]) for line in handle.said if "starts again" in line]
    assert delays[:2] == [0.0, 0.5]
    with pytest.raises(ModelFailed, match="it starts again in"):  # refused at once, not kept waiting
        make(handle)


def test_a_process_that_cannot_be_started_is_tried_again_later(handle, monkeypatch):
    with pytest.raises(ModelFailed):
        make(handle, fakes.KILLED)

    def no_pipe():
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("audio2shape_ros.model.handle.SPAWN.Pipe", no_pipe)
        handle.tend()
    assert "Too many open files" in handle.problem
    time.sleep(0.6)
    handle.tend()
    assert make(handle).seed == 0


def test_a_model_that_dies_while_loading_is_told(tmp_path):
    (tmp_path / "mark").touch()
    broken = ModelHandle(fakes.load_unless_marked, options(str(tmp_path / "mark")), print)
    with pytest.raises(ModelFailed, match="SIGKILL, perhaps out of memory"):
        broken.start()
    (tmp_path / "mark").unlink()
    broken.tend()
    assert make(broken).seed == 0
    broken.stop()


def test_weights_that_cannot_be_loaded_give_the_reason():
    unarmed = ModelHandle(fakes.load, options("/missing"), print)
    with pytest.raises(InputError, match="no weights at /missing"):
        unarmed.start()
    unarmed.stop()


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (fakes.load_without_libraries, "No module named 'soundfile'.*pip install"),
        (fakes.load_without_system_libraries, "libGL.so.1.*apt install libgl1"),
        (fakes.load_with_a_broken_library, "cannot import name.*--force-reinstall"),
        (fakes.load_from_a_broken_disk, "^the model cannot be loaded: OSError: .*Input/output error$"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_its_remedy(load, reason):
    bare = ModelHandle(load, options(), print)
    with pytest.raises(InputError, match=reason):
        bare.start()
    bare.stop()


def test_stop_ends_it_at_once_even_amid_an_endless_step(handle):
    pid, ended = handle.pid, []

    def ask():
        try:
            make(handle, fakes.DEAF)
        except Cancelled as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    asked = time.monotonic()
    handle.stop()
    asking.join(5)
    assert time.monotonic() - asked < 2
    assert ended
    assert gone(pid)
    handle.tend()  # not wanted: stays down
    assert handle.pid is None
    handle.wanted = True
    handle.tend()
    assert make(handle).seed == 0


def test_it_does_not_outlive_a_killed_parent():
    code = """
import fakes, test_model_handle as t, threading, time
handle = t.ModelHandle(fakes.load, t.options(), print)
handle.start()
print(handle.pid, flush=True)
t.make(handle, fakes.DEAF)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    pid = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    assert gone(pid, 2)


def test_nothing_on_this_side_loads_torch():
    code = "import sys, audio2shape_ros.model.handle, audio2shape_ros.model.server; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
