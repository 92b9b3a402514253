#!/usr/bin/env python3
"""Build the ROS 2 package into build/ros, and run commands in the result.

    .venv/bin/python scripts/ros_workspace.py                       build what changed, say how to use it
    .venv/bin/python scripts/ros_workspace.py -- python -m pytest tests/ros    build, then run a command with it

With a distribution sourced (`. /opt/ros/jazzy/setup.sh`) that is what it builds on. Otherwise it builds on the ROS 2
wheels of this interpreter's environment, which need some help to serve CMake (see `mend_wheels`). Where
audio_common_msgs, vision_msgs or the messages of splat viewers are missing, definitions of the same names from
tests/interfaces stand in;
`--family mgonzs13` builds a second workspace with that other audio_common_msgs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "ros"
VENV = Path(sys.prefix)
SHARED = ("audio2shape_core", "audio2shape_ros", "launch", "config")  # linked into the install space as they are
PACKAGE = ("package.xml", "CMakeLists.txt", "msg", "action", "srv", "scripts", *SHARED)
INTERFACES = ROOT / "tests" / "interfaces"
FAMILIES = ("ros_drivers", "mgonzs13")


class WorkspaceError(RuntimeError):
    """The workspace cannot be built: what is missing, and how to get it."""


def sourced_prefixes() -> list[Path]:
    """Prefixes of a sourced ROS 2 distribution that can generate interfaces; empty without one."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    return [p for p in prefixes if p != VENV and (p / "share/rosidl_default_generators").is_dir()]


def stand_ins(family: str) -> list[Path]:
    """Interface packages of tests/interfaces that are needed because nothing else provides them."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]

    def missing(package: str) -> bool:
        return not any((p / "share" / package).is_dir() for p in prefixes if not p.is_relative_to(BUILD))

    needed = [family] if family != "ros_drivers" or missing("audio_common_msgs") else []
    needed += [name for name in ("vision_msgs", "gsplat_msgs", "gaussian_interface") if missing(name)]
    return [INTERFACES / name for name in needed]


def fingerprint(family: str) -> str:
    """Changes when a rebuild is due: contents of what is compiled, names of what is linked into the install space."""
    compiled = [ROOT / "package.xml", ROOT / "CMakeLists.txt", Path(__file__)]
    for folder in (ROOT / "msg", ROOT / "action", ROOT / "srv", *stand_ins(family)):
        compiled += sorted(p for p in folder.rglob("*") if p.is_file())
    linked = []
    for name in SHARED:
        linked += sorted(p for p in (ROOT / name).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    sha = hashlib.sha256(f"{sys.version}{sys.prefix}{sourced_prefixes()}".encode())
    for path in compiled:
        sha.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    for path in linked:
        sha.update(str(path.relative_to(ROOT)).encode())
    return sha.hexdigest()


def ament_package() -> Path:
    """A folder that holds ament_package and nothing else: it is on no Python index, but is pure Python."""
    place = BUILD / "ament_package"
    if (place / "ament_package").is_dir():
        return place
    place.mkdir(parents=True, exist_ok=True)
    installed = Path("/usr/lib/python3/dist-packages/ament_package")
    spec = importlib.util.find_spec("ament_package")
    if spec and spec.submodule_search_locations:
        installed = Path(next(iter(spec.submodule_search_locations)))
    if not installed.is_dir() and shutil.which("apt-get"):  # downloading needs no root
        subprocess.run(["apt-get", "download", "python3-ament-package"], cwd=place, capture_output=True)
        for package in place.glob("python3-ament-package*.deb"):
            subprocess.run(["dpkg-deb", "-x", package.name, "unpacked"], cwd=place, check=True)
        installed = place / "unpacked/usr/lib/python3/dist-packages/ament_package"
    if not installed.is_dir():
        remedy = "run `apt-get update` and try again, install that package, or source a ROS 2 distribution"
        raise WorkspaceError(f"ament_package is missing, expected Debian's python3-ament-package: {remedy}")
    shutil.copytree(installed, place / "ament_package")
    return place


def mend_wheels() -> None:
    """The wheels' CMake files name the folders of the machine they were built on; name this one's."""
    import numpy

    headers = {
        "/opt/python/cp{0}-cp{0}/include/python{1}": sysconfig.get_paths()["include"],
        "/opt/python/cp{0}-cp{0}/lib/python{1}/site-packages/numpy/_core/include": numpy.get_include(),
    }
    tags = ("".join(map(str, sys.version_info[:2])), ".".join(map(str, sys.version_info[:2])))
    for path in VENV.glob("share/*/cmake/*.cmake"):
        text = path.read_text()
        if "/opt/python/cp" in text:
            for wrong, right in headers.items():
                text = text.replace(wrong.format(*tags), right)
            path.write_text(text)
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        raise WorkspaceError("Python.h is missing, needed to build messages: install python3-dev")


def wheel_environment() -> dict[str, str]:
    """What a build on the wheels needs in its environment."""
    if importlib.util.find_spec("rclpy") is None:
        raise WorkspaceError("no ROS 2 here: run `make setup` and use .venv/bin/python, or source a distribution")
    if not shutil.which("g++"):
        raise WorkspaceError("no C++ compiler, needed to build messages: install g++ and make")
    mend_wheels()
    return {
        "AMENT_PREFIX_PATH": str(VENV),
        "CMAKE_PREFIX_PATH": str(VENV),
        "PYTHONPATH": str(ament_package()),
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


def linked_source(place: Path) -> Path:
    """A folder of links to the package. CMake refuses to export include folders that lie inside the source folder,
    and an environment in the repository (.venv) has NumPy's there."""
    source = place / "src" / "audio2shape_ros"
    shutil.rmtree(source, ignore_errors=True)
    for name in PACKAGE:
        files = [ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*")
        for path in (p for p in files if p.is_file() and "__pycache__" not in p.parts):
            link = source / path.relative_to(ROOT)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return source


def write_environment(place: Path, on_wheels: bool) -> Path:
    """build/ros/<family>/env.sh, to be sourced by any POSIX shell."""
    install, script = place / "install", place / "env.sh"
    if on_wheels:
        site = Path(sysconfig.get_paths()["purelib"])
        packages = install / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        libraries = [install / "lib", VENV / "lib", *sorted(site.glob("ros_*.libs"))]
        lines = [
            f'export AMENT_PREFIX_PATH="{install}:{VENV}"',
            f'export PYTHONPATH="{packages}${{PYTHONPATH:+:$PYTHONPATH}}"',
            f'export LD_LIBRARY_PATH="{":".join(map(str, libraries))}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"',
            "export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1  # LD_LIBRARY_PATH is set: the wheels need not start Python twice",
        ]
    else:
        lines = [f'COLCON_CURRENT_PREFIX="{install}"', '. "$COLCON_CURRENT_PREFIX/setup.sh"']
    if sys.prefix != sys.base_prefix:
        lines.append(f'export PATH="{VENV / "bin"}:$PATH"')
    script.write_text("\n".join(lines) + "\n")
    return script


def build(family: str, *, verbose: bool) -> Path:
    """Build what changed. Returns the path of env.sh. Raises WorkspaceError with the end of the log."""
    place = BUILD / family
    stamp, wanted = place / "built.txt", fingerprint(family)
    prefixes = sourced_prefixes()
    if (place / "env.sh").is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return place / "env.sh"
    stamp.unlink(missing_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    for ignored in (BUILD, BUILD.parent):
        (ignored / "COLCON_IGNORE").touch()
    environment = dict(os.environ, **({} if prefixes else wheel_environment()))
    paths = [linked_source(place), *stand_ins(family)]
    command = ["colcon"]
    if importlib.util.find_spec("colcon_core"):  # this interpreter's, whatever PATH says
        command = [sys.executable, "-c", "import sys; from colcon_core.command import main; sys.exit(main())"]
    command += ["--log-base", str(place / "log"), "build", "--merge-install", "--symlink-install"]
    command += ["--build-base", str(place / "build"), "--install-base", str(place / "install")]
    command += ["--base-paths", *map(str, paths)] + ["--event-handlers", "console_direct+"] * verbose
    command += ["--cmake-args", "-DBUILD_TESTING=OFF"]
    if not prefixes:  # a distribution builds with the interpreter it was made for
        command.append(f"-DPython3_EXECUTABLE={sys.executable}")
    print("building the ROS 2 workspace (about a minute) ...", flush=True)
    finished = subprocess.run(command, cwd=place, env=environment, text=True, capture_output=not verbose)
    if finished.returncode:
        tail = "" if verbose else "\n".join((finished.stdout + finished.stderr).splitlines()[-40:])
        raise WorkspaceError(f"colcon failed; its log is in {place / 'log'}\n{tail}")
    script = write_environment(place, on_wheels=not prefixes)
    stamp.write_text(wanted)
    return script


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=FAMILIES, default=FAMILIES[0], help="which audio_common_msgs to build with")
    parser.add_argument("--verbose", action="store_true", help="show the compiler's output")
    parser.add_argument("command", nargs="*", help="a command to run in the workspace, after --")
    arguments = parser.parse_args()
    try:
        script = build(arguments.family, verbose=arguments.verbose)
    except WorkspaceError as error:
        print(error, file=sys.stderr)
        return 2
    if not arguments.command:
        print(f"the ROS 2 workspace is ready; use it with:  . {script.relative_to(ROOT)}")
        return 0
    return subprocess.call(["sh", "-c", f'. "{script}" && exec "$@"', "sh", *arguments.command], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
