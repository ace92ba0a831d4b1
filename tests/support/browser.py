"""A headless Chromium, spoken to over a pipe: the DevTools protocol with a null byte behind each message.

No port, no driver and no library besides: `--remote-debugging-pipe` reads from file descriptor 3 and writes to 4
(chromium's `content/public/common/content_switches.cc`).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NAMES = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 60.0
_HIGH = 50
_PHONE = 600
_KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowDown": ("", 40), "ArrowUp": ("", 38), "End": ("", 35),
         "Home": ("", 36), "Tab": ("", 9), "/": ("/", 191)}  # fmt: skip


def found() -> str | None:
    """The program; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A browser with one page, while a `with` block lasts.

    Attributes:
        complaints: what the page wrote to the console as a warning or an error, exceptions, and what its policy
            forbade, since it was opened.
        requests: every address that the page asked for, since it was opened.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._argv = [
            program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--no-default-browser-check", "--disable-background-networking",
            "--disable-component-update", "--hide-scrollbars", "--force-color-profile=srgb",
            # Chromium does not start its sandbox for root, and what is looked at here is our own page.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
        ]  # fmt: skip
        self._stack = contextlib.ExitStack()
        self._number = 0
        self._buffer = b""
        self._session = ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._loaded = 0

    def __enter__(self) -> Self:
        low_read, self._out = os.pipe()
        self._in, low_write = os.pipe()
        # Away from the numbers to which the shell brings them: those that the browser wants.
        to_read, to_write = (fcntl.fcntl(one, fcntl.F_DUPFD, _HIGH) for one in (low_read, low_write))
        os.close(low_read)
        os.close(low_write)
        script = f'exec 3<&{to_read} 4>&{to_write} {to_read}<&- {to_write}>&-; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *self._argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write), start_new_session=True,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._stack.callback(os.close, self._out)
        self._stack.callback(os.close, self._in)
        (page,) = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self._session = ""
            self.call("Browser.close")
        self._stack.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._message()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            piece = os.read(self._in, 1 << 16)
            assert piece, "the browser has gone"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.complaints.append(json.dumps(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(told["entry"]["text"])
        elif method == "Audits.issueAdded" and told["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.complaints.append(json.dumps(told["issue"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded += 1

    def open(self, address: str) -> None:
        """Open a page and wait until it is loaded."""
        # Away first, so that an address that differs by its fragment alone is a new page, too.
        self._go("about:blank")
        self.complaints.clear()
        self.requests.clear()
        self._go(address)

    def _go(self, address: str) -> None:
        self._loaded = 0
        self.call("Page.navigate", url=address)
        while not self._loaded:
            self._message()

    def run(self, expression: str) -> Any:
        """The value of an expression of the page, awaited where it is a promise."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key, or write a letter."""
        text, code = _KEYS.get(key, (key, 0))
        more = {"windowsVirtualKeyCode": code} if code else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, text=text, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, **more)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "") -> None:
        """The size of the window, the colours that the user prefers, and the medium."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < _PHONE)  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=scheme)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, in a window as high as it, to a PNG file."""
        if whole:
            width, height = self.run("[innerWidth, document.documentElement.scrollHeight]")
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                      mobile=width < _PHONE)  # fmt: skip
            self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")
        done = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(done["data"]))
