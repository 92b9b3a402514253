"""Health on /diagnostics: audio input, camera, model, device, pipeline. A plain publisher, so it also speaks while the
node is not active."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
QUIET_S = 3.0  # without a message this long, an input is dead
RATE_OFF = 0.06  # by which the sound that arrives may differ from what its format says: less than 44.1 to 48 kHz
ERROR_S = 10.0  # how long an unusable image is talked about
MISSES = 3  # budget misses in a row before WARN becomes ERROR
Report = tuple[bytes, str, dict[str, object]]  # level, summary, values


def resident_mib(pid: int | None) -> int | str:
    """Memory of a process that is resident, or nothing where it cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (OSError, IndexError):
        return ""


class PipelineStatus:
    """Latencies of finished shapes, failures, drops."""

    def __init__(self) -> None:
        self.latencies: deque[float] = deque(maxlen=100)  # ms, end of the sound to published cloud
        self.made = 0
        self.misses = 0  # of the budget, in a row
        self.last_error = ""
        self.notice = ""  # what the latest shape had to do without

    def finished(self, latency_ms: float, budget_ms: float, notice: str) -> None:
        self.latencies.append(latency_ms)
        self.made += 1
        self.misses = self.misses + 1 if latency_ms > budget_ms else 0
        self.last_error, self.notice = "", notice


class Diagnostics:
    def __init__(self, node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(node.settings["diagnostics.period_s"], self.publish)

    def publish(self) -> None:
        name = self._node.get_fully_qualified_name().lstrip("/")
        tasks = {
            "audio input": self._audio,
            "camera": self._camera,
            "model": self._model,
            "device": self._device,
            "pipeline": self._pipeline,
        }
        array = DiagnosticArray()
        array.header.stamp = self._node.get_clock().now().to_msg()
        for task, measure in tasks.items():
            level, summary, values = measure()
            pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
            array.status.append(
                DiagnosticStatus(level=level, name=f"{name}: {task}", message=summary, hardware_id=name, values=pairs)
            )
        self._publisher.publish(array)

    def _audio(self) -> Report:
        source = self._node.audio
        if source is None:
            return STALE, "not active", {}
        s, now, rate = source.status, time.monotonic(), source.status.measured_rate()
        values = {
            "type": s.kind,
            "reliability": s.reliability,
            "format": s.format,
            "stamps": s.stamp_source,
            "messages": s.messages,
            "samples/s": f"{rate:.0f}" if rate else "",
            "gaps": s.gaps,
            "clipped messages": s.clipped,
            "level dBFS": f"{s.level_dbfs:.0f}",
        }
        if s.error:
            return ERROR, s.error, values
        if not s.messages or now - s.last_message > QUIET_S:
            topic = self._node.resolve_topic_name("audio")
            return WARN, f"nothing arrives on {topic}: start the microphone or remap audio", values
        if rate and abs(rate / s.sample_rate - 1) > RATE_OFF:
            told = f"{rate:.0f} samples arrive a second, expected {s.sample_rate}"
            lost = ", if none are lost on the way" if rate < s.sample_rate else ""
            return WARN, f"{told}: set audio.sample_rate and audio.channels, or mend audio_info{lost}", values
        if now - s.last_gap < QUIET_S:
            return WARN, "sound was lost between two messages: is the machine or the network too busy?", values
        if now - s.last_sound > QUIET_S:
            return WARN, "digital silence: is the microphone muted?", values
        if now - s.last_clip < QUIET_S:
            return WARN, "the microphone clips: lower its gain", values
        return OK, "hearing", values

    def _camera(self) -> Report:
        source = self._node.camera
        if source is None:
            return STALE, "not active", {}
        s = source.status
        arrivals = list(s.arrivals)
        rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0
        values = {
            "images": s.images,
            "depth images": s.depth_images,
            "rate Hz": f"{rate:.1f}",
            "calibrated": s.calibrated,
            "frame": s.frame_id,
        }
        if s.error and time.monotonic() - s.last_error < ERROR_S:
            return WARN, s.error, values
        if not s.images or time.monotonic() - s.last_image > QUIET_S:
            return OK, "no camera: shapes stay as imagined", values
        if not s.infos:
            return WARN, "no camera_info: a usual field of view is assumed", values
        if not s.calibrated:
            return WARN, "camera_info is not calibrated (K[0] is 0), images are not used: set camera_info_url", values
        if "optical" not in s.frame_id:
            return WARN, f"frame {s.frame_id!r} is not named *_optical: expected z forward, x right, y down", values
        return OK, "seeing", values

    def _model(self) -> Report:
        model = self._node.model
        if model is None:
            return (ERROR, self._node.model_problem, {}) if self._node.model_problem else (STALE, "not configured", {})
        values = {"process": model.pid or "", "resident MiB": resident_mib(model.pid), "restarts": model.restarts}
        if model.problem:
            return ERROR, model.problem, values
        if model.pid is None:
            return STALE, "not running: activate the node", values
        if model.info is None:
            return STALE, "loading", values
        values["weights sha256"] = model.info.weights_sha256
        if model.info.weights_sha256 == "random":
            return WARN, "untrained weights (allow_random_weights): shapes mean nothing", values
        return OK, "loaded", values

    def _device(self) -> Report:
        model = self._node.model
        if model is None or model.info is None:
            return STALE, "not configured", {}
        info = model.info
        values = {"device": info.device, "rasterizer": info.rasterizer}
        if not info.name:
            return WARN if self._node.settings["device"] == "auto" else OK, "running on the CPU", values
        return OK, info.name, {**values, "memory used MiB": info.used_mib, "total MiB": info.total_mib}

    def _pipeline(self) -> Report:
        status, worker = self._node.pipeline, self._node.worker
        values: dict[str, object] = {"shapes": status.made, "dropped": worker.dropped if worker else 0}
        if status.latencies:
            half, most = np.percentile(status.latencies, (50, 95))
            values |= {"p50 ms": f"{half:.0f}", "p95 ms": f"{most:.0f}", "last ms": f"{status.latencies[-1]:.0f}"}
        if status.last_error:
            return ERROR, status.last_error, values
        if status.misses:
            summary = f"slower than latency.budget_ms {status.misses} times in a row"
            return (ERROR if status.misses >= MISSES else WARN), summary, values
        if status.notice:
            return WARN, status.notice, values
        return OK, "busy" if worker and worker.busy else "ready", values
