"""Machine code that is kept on disk: what is wrong with the folder costs time, never the call."""

import importlib.util
import os
import subprocess
import sys

import pytest

SOURCE = """
from audio2shape_core.splatting.compiled import compiled

@compiled()
def add(a, b):
    return a + b

print(add(2, 3))
"""
ANNOUNCED = "compiling the CPU kernels, once: about 15 s"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "kernels.py").write_text(SOURCE)
    cache = tmp_path / "cache"

    def once() -> str:
        """What the module writes to standard error in a process of its own."""
        root = importlib.util.find_spec("audio2shape_core").submodule_search_locations[0]
        environment = os.environ | {
            "NUMBA_CACHE_DIR": str(cache),
            "XDG_CACHE_HOME": str(cache),
            "PYTHONPATH": os.path.dirname(root),
        }
        command = [sys.executable, str(tmp_path / "kernels.py")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
        return done.stderr.strip()

    once.cache = cache
    return once


def test_only_the_first_process_compiles_and_says_so(run):
    assert run() == ANNOUNCED
    assert run() == ""


@pytest.mark.parametrize(("pattern", "kept"), [("*.nbi", 20), ("*.nbc", 0), ("*.nbc", 200)])
def test_files_that_were_cut_short_are_made_anew(run, pattern, kept):
    run()
    for path in run.cache.rglob(pattern):
        path.write_bytes(path.read_bytes()[:kept])
    assert run() == ANNOUNCED
    assert run() == ""


def test_without_a_folder_it_compiles_in_memory_every_time(run):
    for place in (run.cache, run.cache.with_name("__pycache__")):  # wherever numba looks
        place.write_text("no folder")
    for _ in range(2):
        first, second = run().splitlines()
        assert first.startswith("compiled CPU kernels cannot be kept on disk (")
        assert second == ANNOUNCED
