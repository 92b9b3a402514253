"""Every parameter of the node, once: descriptors, defaults, config/generate.yaml and the README table come from here.

python -m audio2shape_ros.parameters yaml       the file config/generate.yaml
python -m audio2shape_ros.parameters markdown   the table of the README
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from audio2shape_core import settings as core
from audio2shape_core.errors import InputError

TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Parameter:
    """One parameter. `low` and `high` are inclusive; `choices` lists the only values allowed; `fixed` ones are read
    when the node is configured and cannot change before it is cleaned up; `needed` ones must not be empty."""

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    fixed: bool = False
    needed: bool = False

    def problem(self, value: Any) -> str:
        """Why `value` cannot be used, in one line; empty if it can."""
        if type(value) is not type(self.default):
            return f"{self.name}: {value!r}, expected {TYPES[type(self.default)]}"
        if self.choices and value not in self.choices:
            return f"{self.name}: {value!r}, expected one of {', '.join(self.choices)}"
        if self.low is not None and not (math.isfinite(value) and self.low <= value <= self.high):
            return f"{self.name}: {value}, expected {self.low} to {self.high}"
        if self.needed and not value.strip():
            return f"{self.name} is empty, expected {TYPES[str]}"
        return ""


def of_a_run(name: str, parcel: type, setting: str, **changes: Any) -> Parameter:
    """The parameter for a setting of audio2shape_core.settings. 0 stands for None, the checkpoint's own."""
    limits, default = core.limits_of(parcel)[setting], core.default_of(parcel, setting)
    kind, low = (int if limits.whole else float), changes.get("low", 0 if default is None else limits.low)
    text = limits.description + (" 0: the default." if default is None and not low else "")
    values = {"default": kind(default or 0), "low": kind(low), "high": kind(limits.high), "description": text}
    return Parameter(name, **{**values, **changes})


P = Parameter
TABLE: tuple[Parameter, ...] = (
    P("autostart", True, "Configure and activate without waiting for a lifecycle manager.", fixed=True),
    P("device", "auto", "Where the model runs: auto (CUDA if there is one), cpu, cuda or cuda:N.", fixed=True),
    P("cpu_threads", 0, "CPU threads of the model; 0 leaves one core to the sensors.", 0, 256, fixed=True),
    P("weights_dir", "", "Folder of the three checkpoints; empty: the weights that ship.", fixed=True),
    P(
        "allow_random_weights",
        False,
        "Run untrained where weights are missing, for tests: meaningless shapes.",
        fixed=True,
    ),
    P(
        "audio.type",
        "auto",
        "Message type of the topic audio; auto takes what is published, stamped types first.",
        choices=("auto", "audio_data", "audio_data_stamped", "audio_stamped"),
    ),
    P(
        "audio.qos",
        "auto",
        "Reliability asked of audio publishers; auto is reliable if all of them offer it.",
        choices=("auto", "reliable", "best_effort"),
    ),
    P("audio.sample_rate", 16000, "Hz, where no audio_info says otherwise.", 4000, 192000),
    P("audio.channels", 1, "Interleaved channels, where no audio_info says otherwise.", 1, 64),
    P(
        "audio.sample_format",
        "S16LE",
        "Format of a sample, where no audio_info says otherwise.",
        choices=("S8", "U8", "S16LE", "S16BE", "S24LE", "S24BE", "S32LE", "S32BE", "F32LE", "F32BE"),
    ),
    P("audio.channel", -1, "Channel to listen to, from 0; -1 averages all of them.", -1, 63),
    P("audio.window_s", 4.0, "Seconds of sound a shape is made from.", 0.5, 10.0),
    P(
        "audio.max_age_s",
        3.0,
        "Services and actions refuse live sound when the newest arrived longer ago, seconds.",
        0.1,
        3600.0,
    ),
    P("audio.min_rms_dbfs", -50.0, "Quieter windows are silence and make no shape, dBFS.", -120.0, 0.0),
    P(
        "trigger.mode",
        "onset",
        "When to make a shape: continuous (every period), onset (when something begins to "
        "sound) or on_demand (services and actions only).",
        choices=("continuous", "onset", "on_demand"),
    ),
    P(
        "trigger.period_s",
        2.0,
        "Least seconds between two shapes of the modes continuous and onset, whatever the stamps of the sound say.",
        0.1,
        3600.0,
    ),
    P(
        "trigger.listen_s",
        1.5,
        "Seconds to listen on after an onset before a first shape is made; if the sound goes "
        "on, a second one follows when it has ended or audio.window_s have been heard.",
        0.1,
        10.0,
    ),
    P("trigger.onset_db", 12.0, "Rise above the background that counts as an onset, dB.", 3.0, 60.0),
    of_a_run(
        "trigger.min_confidence",
        core.Listening,
        "min_confidence",
        description="Sounds whose confidence (as in ~/shape) is lower are unknown and make no shape on their own; "
        "services and actions make one and say so.",
    ),
    of_a_run("diffusion.steps", core.Sampling, "steps"),
    of_a_run("diffusion.guidance", core.Sampling, "guidance"),
    of_a_run(
        "diffusion.seed",
        core.Sampling,
        "seed",
        low=-1,
        description="Seed of every shape; -1 draws a new one each time.",
    ),
    P(
        "preview.steps",
        5,
        "Denoising steps between two clouds on ~/preview, made only while someone listens; 0: only "
        "the coarse shape before refinement.",
        0,
        1000,
    ),
    of_a_run("shape.num_points", core.Sampling, "num_points"),
    P("shape.size_m", 0.0, "Longest extent of the shape in metres; 0: the usual size of what was heard.", 0.0, 100.0),
    P("refine.enabled", True, "Fit the shape to the camera image when there is one."),
    of_a_run("refine.iterations", core.Refining, "iterations"),
    of_a_run("refine.time_budget_s", core.Refining, "time_budget_s", default=5.0, low=0.1),
    P(
        "camera.transport",
        "raw",
        "raw: sensor_msgs/Image on image; compressed: CompressedImage on image/compressed.",
        choices=("raw", "compressed"),
        fixed=True,
    ),
    P(
        "camera.rectified",
        "auto",
        "Whether images are free of distortion; auto: the topic name contains 'rect'.",
        choices=("auto", "yes", "no"),
    ),
    P(
        "sync.max_slop_s",
        0.5,
        "An image farther than this from the end of the sound is not used, seconds.",
        0.0,
        3600.0,
    ),
    P(
        "output.frame_id",
        "",
        "Frame of the cloud; empty: the camera's optical frame, or without a camera the node's full name.",
    ),
    P(
        "output.tf",
        False,
        "Broadcast a transform from the output frame to the shape, where its place is not assumed (needs tf2_ros).",
    ),
    P("latency.budget_ms", 10000.0, "Diagnostics warn when sound to cloud takes longer, milliseconds.", 1.0, 600000.0),
    P(
        "goal_policy",
        "reject",
        "An action goal that comes while another runs is rejected, cancels those before it, or "
        "waits in a queue of at most 8 (what it is about is the sound at its acceptance).",
        choices=("reject", "preempt", "queue"),
    ),
    P("export_dir", "~/audio2shape", "The only folder ~/save_shape writes to.", fixed=True, needed=True),
    P("diagnostics.period_s", 1.0, "Seconds between two messages on /diagnostics.", 0.1, 60.0, fixed=True),
)
BY_NAME: Mapping[str, Parameter] = {p.name: p for p in TABLE}


class Settings:
    """The node's current parameter values: `settings["audio.window_s"]`. Safe to read from any thread."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def update(self, changes: Mapping[str, Any]) -> None:
        self._values = {**self._values, **changes}

    def of_a_run(self, *, seed: int, steps: int = 0, num_points: int = 0) -> core.Settings:
        """The parcel for AudioToShape.generate. What is 0 here is as the parameters say.

        Raises InputError for values out of range.
        """
        return core.Settings(
            listening=core.Listening(self["trigger.min_confidence"]),
            sampling=core.Sampling(
                seed=seed,
                steps=steps or self["diffusion.steps"] or None,
                guidance=self["diffusion.guidance"] or None,
                num_points=num_points or self["shape.num_points"],
            ),
            refining=core.Refining(self["refine.iterations"], self["refine.time_budget_s"] or None),
        )


def first_problem(changes: Iterable[tuple[str, Any]], *, configured: bool) -> str:
    """Why these changes cannot be made together, in one line; empty if they can."""
    for name, value in changes:
        parameter = BY_NAME.get(name)
        if parameter is None:
            continue  # not ours: use_sim_time, qos_overrides
        if configured and parameter.fixed:
            return f"{name} is read when the node is configured: run `ros2 lifecycle set ... cleanup` first"
        if problem := parameter.problem(value):
            return problem
    return ""


def declare(node: Node) -> Settings:
    """Declare every parameter on a node that was made with automatically_declare_parameters_from_overrides.

    An integer is taken where a number is expected. Names that nobody reads are logged.
    Raises InputError, in one line, for a value of another type or out of range.
    """
    given = {name: found.value for name, found in node.get_parameters_by_prefix("").items() if name in BY_NAME}
    for name in node.get_parameters_by_prefix(""):
        if name in BY_NAME or name.startswith("qos_overrides."):
            node.undeclare_parameter(name)
        elif name not in ("use_sim_time", "start_type_description_service"):
            node.get_logger().warning(f"parameter {name} is none of this node's: it is not used")
    values = {}
    for p in TABLE:
        value = given.get(p.name, p.default)
        if type(p.default) is float and type(value) is int:
            value = float(value)
        if problem := p.problem(value):
            raise InputError(problem)
        values[p.name] = node.declare_parameter(p.name, value, descriptor(p), ignore_override=True).value
    return Settings(values)


def descriptor(p: Parameter) -> ParameterDescriptor:
    made = ParameterDescriptor(description=p.description)
    if p.choices:
        made.additional_constraints = "one of " + ", ".join(p.choices)
    if p.low is not None and isinstance(p.default, float):
        made.floating_point_range = [FloatingPointRange(from_value=p.low, to_value=p.high)]
    elif p.low is not None:
        made.integer_range = [IntegerRange(from_value=p.low, to_value=p.high, step=1)]
    return made


def files_of(arguments: Sequence[str]) -> str:
    """The parameter files on a command line, in words: where a wrong value may come from."""
    files = [path for flag, path in zip(arguments, arguments[1:]) if flag == "--params-file"]
    return f" (given in {' or '.join(map(str, map(Path, files)))})" if files else ""


def to_yaml() -> str:
    """config/generate.yaml: every parameter at its default, with its description and range."""
    lines = ["# Generated: python -m audio2shape_ros.parameters yaml", "/**:", "  ros__parameters:"]
    groups: list[str] = []
    for p in TABLE:
        *path, leaf = p.name.split(".")
        if path != groups:
            groups = path
            lines += ["    " + "  " * depth + f"{part}:" for depth, part in enumerate(path)]
        indent = "    " + "  " * len(path)
        lines += [f"{indent}# {p.description}{limits(p)}", f"{indent}{leaf}: {literal(p.default)}"]
    return "\n".join(lines) + "\n"


def to_markdown() -> str:
    rows = ["| parameter | default | meaning |", "|---|---|---|"]
    for p in TABLE:
        note = " Fixed once configured." if p.fixed else ""
        rows.append(f"| `{p.name}` | `{literal(p.default)}` | {p.description}{limits(p)}{note} |")
    return "\n".join(rows) + "\n"


def limits(p: Parameter) -> str:
    if p.choices:
        return f" One of {', '.join(p.choices)}."
    return "" if p.low is None else f" Range {p.low} to {p.high}."


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    sys.stdout.write(to_markdown() if sys.argv[1:] == ["markdown"] else to_yaml())
