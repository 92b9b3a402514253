"""A headless Chromium driven through its DevTools socket: load a page, take screenshots of it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import count

import cv2
import numpy as np

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=480,400",
    "--remote-debugging-port=0",
    "about:blank",
)


def screenshot_when(
    url: str, ready: Callable[[np.ndarray], bool], timeout_s: float = 300
) -> tuple[np.ndarray, list[str]]:
    """Open a page and look at it until `ready(picture)`; picture (H, W, 3) uint8 RGB.

    Returns that picture, and the address of every request that the page made. Raises TimeoutError.
    """
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}"], stderr=subprocess.PIPE, text=True, errors="replace"
        )
        try:
            address = next(line.split()[-1] for line in browser.stderr if "DevTools listening on" in line)
            with connect(address, max_size=None) as socket:
                page = _Page(socket)
                page.call("Network.enable")
                page.call("Page.enable")
                page.call("Page.navigate", url=url)
                deadline = time.monotonic() + timeout_s
                while True:
                    time.sleep(0.5)
                    shot = page.call("Page.captureScreenshot", format="png")
                    if "data" in shot:  # none while the page is being laid out
                        png = np.frombuffer(base64.b64decode(shot["data"]), np.uint8)
                        picture = cv2.imdecode(png, cv2.IMREAD_COLOR)[..., ::-1]
                        if ready(picture):
                            return picture, page.requests
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"the page at {url} never looked as it should")
        finally:
            browser.kill()
            browser.wait()


class _Page:
    """One tab."""

    def __init__(self, socket) -> None:
        self.socket, self.ids, self.session, self.requests = socket, count(1), {}, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.session = {"sessionId": session}

    def call(self, method: str, **params) -> dict:
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params, **self.session}))
        while True:
            message = json.loads(self.socket.recv(timeout=120))
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                return message.get("result", {})
