"""Hypothesis-made messages over the real graph."""

import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from graph import NODE
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from std_msgs.msg import Header

EXAMPLES = 200
ONCE = settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
BYTES = st.binary(max_size=5000)
ANY_U32 = st.integers(0, 2**32 - 1)
WILD = st.builds(Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=ANY_U32)
STAMPS = st.none() | st.none() | st.none() | WILD


def bombard(client, publisher, messages: st.SearchStrategy) -> None:
    """Publish EXAMPLES of them; where they have a header, it is stamped now, or with whatever fits."""

    @ONCE
    @given(messages, STAMPS)
    def send(message, stamp) -> None:
        if hasattr(message, "header"):
            stamp = stamp or client.node.get_clock().now().to_msg()
            message.header = Header(stamp=stamp, frame_id="camera_optical_frame")
        publisher.publish(message)
        time.sleep(0.005)

    send()


class Complaints:
    """What a diagnostics task finds wrong from now on, in words that say what was expected."""

    def __init__(self, client, task: str, node: str = NODE) -> None:
        self._name = f"{node.lstrip('/')}: {task}"
        self._arrays = client.collect(DiagnosticArray, "/diagnostics", 10)

    def __call__(self) -> list[str]:
        own = [status for array in self._arrays for status in array.status if status.name == self._name]
        return [s.message for s in own if s.level != DiagnosticStatus.OK and "expected" in s.message]
