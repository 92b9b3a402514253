"""`audio2shape doctor`: what is wrong with this machine, and how to mend it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from audio2shape_core.errors import InputError

NEEDED = ("torch", "numpy", "scipy", "skimage", "numba", "cv2", "soundfile", "safetensors", "matplotlib")
OPTIONAL = {
    "gsplat": "splatting on CUDA: pip install gsplat",
    "open_clip": "the paper's image encoder: pip install open_clip_torch",
    "wav2clip": "the paper's audio encoder: pip install wav2clip",
    "rclpy": "the ROS 2 node: source a distribution, or pip install -r requirements-ros-wheels.txt",
}


@dataclass(frozen=True)
class Finding:
    """level: ok, note (works without) or mend (does not work); what: the part; text: what was seen, how to mend it."""

    level: str
    what: str
    text: str


def of_the_system(error: Exception) -> bool:
    """Whether it says that a library of the system is missing."""
    return any(words in str(error) for words in ("load library", "shared object"))


def of_a_library(error: Exception) -> bool:
    """Whether it says that a library, of Python or of the system, cannot be loaded."""
    return isinstance(error, ImportError) or isinstance(error, OSError) and of_the_system(error)


def remedy(error: ImportError | OSError) -> str:
    """What to do about a library that cannot be imported."""
    if isinstance(error, ModuleNotFoundError):
        if (error.name or "").split(".")[0] in NEEDED:
            return f"run `pip install -c constraints.txt .` in the source folder, with {sys.executable}"
        return "source the ROS distribution, run `colcon build` and source install/setup.bash"
    if of_the_system(error):
        return "a library of the system is missing: sudo apt install libgl1 libglib2.0-0 libsndfile1"
    return f"it is there, but broken: pip install --force-reinstall -c constraints.txt . with {sys.executable}"


def unusable(names: tuple[str, ...]) -> Iterator[Finding]:
    """Those that cannot be imported. Finding them is not enough: they need libraries of the system too."""
    for name in names:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            yield Finding("mend", name, f"{error}: {remedy(error)}")


def check_weights(weights: str | None, device: str, *, load: bool) -> str:
    """What was seen of the weights: their files are read and checked, and with `load` the model is built from them.

    Raises InputError where they or the device cannot be used.
    """
    from audio2shape_core import checkpoint
    from audio2shape_core.device import choose_device
    from audio2shape_core.pipeline import AudioToShape

    if load:
        model = AudioToShape.load(weights, device=device)
        return f"sha256 {model.weights_sha256[:16]}, loaded on {model.device}"
    folder, chosen = Path(weights).expanduser() if weights else checkpoint.WEIGHTS, choose_device(device)
    for kind in ("alignment", "autoencoder", "denoiser"):
        checkpoint.load(folder / f"{kind}.safetensors", kind)
    return f"whole in {folder}, for {chosen}; --load loads them"


def examine(weights: str | None, device: str, *, load: bool = True) -> Iterator[Finding]:
    """Look at Python, packages, device, weights and memory, in that order; with `load`, load the model as well."""
    yield Finding("ok", "python", f"{platform.python_version()} at {sys.executable}")
    missing = list(unusable(NEEDED))
    yield from missing
    if missing:
        return
    yield Finding("ok", "packages", "all that the core needs")
    for name, use in OPTIONAL.items():
        if importlib.util.find_spec(name) is None:
            yield Finding("note", name, f"not installed; {use}")
    import torch

    if not torch.cuda.is_available():
        yield Finding("note", "device", f"no CUDA device; {os.cpu_count()} CPU cores do the work")
    else:
        yield Finding("ok", "device", torch.cuda.get_device_name())
        if shutil.which("nvcc") is None:
            yield Finding("note", "nvcc", "gsplat compiles its kernels at first use and needs the CUDA toolkit's nvcc")
    try:
        yield Finding("ok", "weights", check_weights(weights, device, load=load))
    except InputError as error:
        yield Finding("mend", "weights", str(error))
    free_gb = int(os.sysconf("SC_AVPHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE") / 2**30
    enough = free_gb > 1.5
    yield Finding("ok" if enough else "mend", "memory", f"{free_gb:.1f} GB free{'' if enough else ', expected 1.5'}")
    cache = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).parent / "splatting")
    if not os.access(cache, os.W_OK):
        yield Finding("note", "cache", f"{cache} is read-only: kernels compile anew each run; set NUMBA_CACHE_DIR")


def run_doctor(weights: str | None, device: str = "auto") -> tuple[dict, bool]:
    """Print the findings; returns them as plain data, and whether nothing must be mended."""
    findings = []
    for finding in examine(weights, device):
        print(f"{finding.level:5s} {finding.what}: {finding.text}")
        findings.append(asdict(finding))
    return {"findings": findings}, all(f["level"] != "mend" for f in findings)
