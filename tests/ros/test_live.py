"""Sounds that make shapes by themselves, and who consumes them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from audio2shape_ros.msg import ShapeHypothesis
from graph import NODE, generate, set_parameters

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
        client.wait_for(lambda: "dog (70%), about 0.0 m away in audio2shape" in said.read_text(), "its words", 30)
    finally:
        consumer.send_signal(signal.SIGINT)
        consumer.wait(10)
