"""Whoever publishes the topic `audio`: of which message type, with which reliability, and who of them speaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from audio2shape_ros.parameters import Settings
from audio2shape_ros.ros import RCLError, optional

# audio.type and the message behind it, stamped ones first. Nothing is imported by name before it is known to be there:
# two packages share the name audio_common_msgs, with different messages.
TYPES = {"audio_data_stamped": "AudioDataStamped", "audio_stamped": "AudioStamped", "audio_data": "AudioData"}
QUEUE = 1200  # messages: the ring at 100 Hz, so that a pause of the node loses none that the sender still has
MUTE_S = 2.0  # after which a publisher without a word gives way to one of another type


def message_type(kind: str) -> Any | None:
    """The class behind audio.type, or None where the installed audio_common_msgs lacks it."""
    return optional("audio_common_msgs.msg", TYPES[kind])


def ros_drivers_family() -> bool:
    return message_type("audio_data_stamped") is not None


class Publishers:
    """Subscribes to `audio` as its publishers require. `on_message(kind, message)` gets what arrives, `on_new()` is
    called when a publisher joins; `complain(problem)` gets why nobody can be listened to."""

    def __init__(
        self,
        node: Node,
        settings: Settings,
        group: CallbackGroup,
        on_message: Callable[[str, Any], None],
        on_new: Callable[[], None],
        complain: Callable[[str], None],
    ) -> None:
        self._node, self._settings, self._group = node, settings, group
        self._on_message, self._on_new, self._complain = on_message, on_new, complain
        self._subscription: Subscription | None = None
        self._subscribed: tuple[str, bool] | None = None
        self._since = 0.0  # time.monotonic() of the subscription
        self._known: set[bytes] = set()  # their endpoints' ids
        self._closed = False
        self.topic = node.resolve_topic_name("audio")
        self.kind = self.reliability = ""  # of the subscription, in words

    def close(self) -> None:
        self._closed = True
        self._unsubscribe()

    def follow(self, spoke: float) -> None:
        """Subscribe anew where the publishers' type or reliability changed. To be called now and then.

        spoke: time.monotonic() of the last message that was understood.
        """
        wanted = self._settings["audio.type"]
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        known = {bytes(p.endpoint_gid) for p in publishers}
        if known - self._known:
            self._on_new()
        self._known = known
        kinds = [wanted] if wanted != "auto" else list(TYPES)
        offered = {k: [p for p in publishers if p.topic_type == f"audio_common_msgs/msg/{TYPES[k]}"] for k in kinds}
        offered = {kind: found for kind, found in offered.items() if found}
        if not offered and self._subscription is not None:
            return  # the publisher left; it may come back as it was
        if not offered and wanted == "auto":
            if publishers:
                found = publishers[0].topic_type
                self._complain(f"{self.topic} carries {found}, expected a message of audio_common_msgs: remap audio")
            return
        kind = self._choose(list(offered), spoke) if offered else wanted
        matching = offered.get(kind, [])
        reliable = bool(matching) and all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in matching)
        if self._settings["audio.qos"] != "auto":
            reliable = self._settings["audio.qos"] == "reliable"
        if (kind, reliable) != self._subscribed:
            self._subscribe(kind, reliable)

    def _choose(self, offered: list[str], spoke: float) -> str:
        """Of the types offered, the one that is listened to as long as it speaks, else the next one."""
        current = self._subscribed[0] if self._subscribed else ""
        if current not in offered:
            return offered[0]
        mute = time.monotonic() - max(spoke, self._since) > MUTE_S
        return offered[(offered.index(current) + mute) % len(offered)]

    def _subscribe(self, kind: str, reliable: bool) -> None:
        message = message_type(kind)
        if message is None:
            self._complain(f"the installed audio_common_msgs has no {TYPES[kind]}: build and source the one that has")
            return
        self._unsubscribe()
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        try:
            subscription = self._node.create_subscription(
                message,
                "audio",
                lambda message: self._on_message(kind, message),
                QoSProfile(depth=QUEUE, reliability=policy),
                callback_group=self._group,
            )
        except RCLError as error:  # the executor still waits on the old one, of another type; next time it does not
            self._complain(f"cannot listen to {self.topic} yet: {error}")
            return
        if self._closed:  # meanwhile, in another thread
            self._node.destroy_subscription(subscription)
            return
        self._subscription, self._subscribed, self._since = subscription, (kind, reliable), time.monotonic()
        self.kind, self.reliability = TYPES[kind], "reliable" if reliable else "best effort"
        self._node.get_logger().info(f"listening to {self.topic}: {self.kind}, {self.reliability}")

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._subscribed = None
