"""A real browser for tests: headless Chromium, driven over its devtools protocol.

One browser serves all tests of a process; each page is a context of its own, without the cookies of another.
"""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
_PATIENCE_S = 60.0
_NOT_NOW = -32000
"""What the browser answers where there is nothing to ask: no page yet, or no longer."""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}


class Replaced(AssertionError):
    """The page was replaced by another one while it was asked."""


class Browser:
    """A running Chromium."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **params: Any) -> Any:
        """Ask the browser for something and wait for its answer."""
        number = next(self._numbers)
        told: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            told["sessionId"] = session
        self._connection.send(json.dumps(told))
        while True:
            answer = json.loads(self._connection.recv(timeout=_PATIENCE_S))
            if answer.get("id") == number:
                error = answer.get("error", {})
                if error.get("code") == _NOT_NOW:
                    raise Replaced(f"{method}: {error}")
                assert not error, f"{method}: {error}"
                return answer["result"]
            self.events.append(answer)

    @contextmanager
    def page(
        self, *, width: int = 1280, height: int = 800, scripts: bool = True, dark: bool = False
    ) -> Iterator[Page]:
        """An empty page."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        try:
            yield page
        finally:
            self.send("Target.closeTarget", targetId=target)
            self.send("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def send(self, method: str, **params: Any) -> Any:
        return self._browser.send(method, self._session, **params)

    def open(self, address: str) -> None:
        """Go to *address* and wait until it is loaded."""
        self.send("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of a script; it runs whether or not the page's own scripts may."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until *script* is true; a page that is being replaced is waited for."""
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            with suppress(Replaced):
                found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
                if found["result"].get("value") is True:
                    return
            time.sleep(0.02)
        raise AssertionError(f"the page never came to: {script}")

    def save_into(self, folder: Path) -> None:
        """Let downloads go to *folder*."""
        self.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def saved(self, folder: Path) -> Path:
        """The file that was downloaded into *folder*, when it is whole."""
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            self.run("0")
            found = [path for path in folder.iterdir() if path.suffix not in (".crdownload", ".tmp")]
            if found and not found[0].name.startswith("."):
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"nothing was downloaded into {folder}")

    def press(self, key: str) -> None:
        """Press and release a key."""
        told: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": KEYS.get(key) or ord(key.upper())}
        if key == "Enter":
            told["text"] = "\r"
        elif len(key) == 1:
            told["text"] = key
        self.send("Input.dispatchKeyEvent", type="keyDown", **told)
        self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    def click(self, selector: str) -> None:
        """Click the middle of the first element that *selector* names, as a mouse does."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    def text(self) -> str:
        """What the page shows."""
        return str(self.run("document.body.innerText"))

    def complaints(self) -> list[str]:
        """What the browser complained about: errors of scripts, of loading, of the security policy."""
        self.run("0")  # so that what was on its way has arrived
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(str(params["args"]))
        return found

    def nameless(self) -> list[str]:
        """Controls and images that a screen reader would meet without a name."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        wanted = {"button", "link", "textbox", "searchbox", "combobox", "image", "img", "checkbox", "radio"}
        return [
            node["role"]["value"]
            for node in nodes
            if not node.get("ignored")
            and node.get("role", {}).get("value") in wanted
            and not node.get("name", {}).get("value")
        ]

    def shot(self, path: Path) -> None:
        """A picture of what is on the screen."""
        found = self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def running() -> Iterator[Browser]:
    """Chromium, from start to end."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [PROGRAM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # No pings: their thread draws from the random module, which Hypothesis watches in other tests.
            with connect(_address(Path(profile)), max_size=None, ping_interval=None) as connection:
                yield Browser(connection)
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE_S)


def _address(profile: Path) -> str:
    """Where the browser listens: it writes so into its profile."""
    ends = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends:
        try:
            port, path = (profile / "DevToolsActivePort").read_text().splitlines()[:2]
        except (OSError, ValueError):
            time.sleep(0.02)
        else:
            return f"ws://127.0.0.1:{port}{path}"
    raise AssertionError("Chromium did not start")
