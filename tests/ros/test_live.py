"""Sounds that make shapes by themselves, and who consumes them."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from audio2shape_ros.msg import ShapeHypothesis
from diagnostic_msgs.msg import DiagnosticStatus
from graph import NODE, Camera, diagnostics, generate, set_parameters, values

EXAMPLE = Path(__file__).parents[2] / "examples" / "nearest_sound.py"


def test_sounds_below_the_confidence_parameter_make_no_shape(client, microphone):
    shapes = client.collect(ShapeHypothesis, f"{NODE}/shape", 10)
    continuous = {"trigger__mode": "continuous", "trigger__period_s": 0.1}
    assert set_parameters(client, trigger__min_confidence=0.71, **continuous).successful
    time.sleep(1.0)
    assert not shapes
    assert generate(client).success  # who asks is answered
    client.wait_for(lambda: shapes, "the shape that was asked for", 5)
    (asked,) = shapes
    assert set_parameters(client, trigger__min_confidence=0.69).successful
    client.wait_for(lambda: len(shapes) > 3, "shapes of themselves")
    assert set_parameters(client, trigger__mode="on_demand", trigger__min_confidence=0.0).successful
    assert 0.69 < asked.confidence < 0.71


def test_the_example_consumer_says_what_and_where(client, microphone, tmp_path):
    said = tmp_path / "said.txt"
    environment = {**os.environ, "RCUTILS_LOGGING_BUFFERED_STREAM": "0"}
    with said.open("w") as file:
        consumer = subprocess.Popen([sys.executable, str(EXAMPLE)], stdout=file, stderr=file, env=environment)
    try:
        assert generate(client).success
        client.wait_for(lambda: "dog (70%), direction unknown" in said.read_text(), "its words", 20)
        camera = Camera(client)
        client.wait_for(lambda: diagnostics(client)["camera"].message == "seeing", "the camera")
        assert generate(client).success
        where = r"dog \(70%\), \d\.\d m away in camera_optical_frame"
        client.wait_for(lambda: re.search(where, said.read_text()), "its words about a fitted shape", 20)
        camera.stop()
    finally:
        consumer.send_signal(signal.SIGINT)
        code = consumer.wait(20)
    assert code == 0, said.read_text()


def test_a_missed_budget_is_reported(client, microphone):
    assert set_parameters(client, latency__budget_ms=1.0).successful
    for level in (DiagnosticStatus.WARN, DiagnosticStatus.WARN, DiagnosticStatus.ERROR):
        assert generate(client).success
        pipeline = diagnostics(client)["pipeline"]
        assert (pipeline.level, "latency.budget_ms" in pipeline.message) == (level, True)
    assert set_parameters(client, latency__budget_ms=600_000.0).successful
    assert generate(client).success
    pipeline = diagnostics(client)["pipeline"]
    assert pipeline.level == DiagnosticStatus.OK
    assert float(values(pipeline)["p95 ms"]) >= float(values(pipeline)["p50 ms"]) > 0
