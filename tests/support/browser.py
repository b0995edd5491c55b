"""A headless Chromium, driven by the WebDriver protocol (W3C) that chromedriver speaks.

Both are packages of Debian: `make prove-docs` installs them where it can.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, Final

MISSING: Final = (
    "expected {program} on PATH, got none; run `make prove-docs`, which installs it where it can, "
    "or install it (Debian: apt-get install chromium chromium-driver)"
)
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
_STARTED: Final = re.compile(r"started successfully on port (\d+)")
_SECONDS: Final = 60

TAB: Final = "\ue004"
ENTER: Final = "\ue007"
ESCAPE: Final = "\ue00c"


class Browser:
    """One tab of a browser."""

    def __init__(self, address: str) -> None:
        self._address = address
        arguments = ["--headless=new", "--disable-gpu", "--window-size=1280,1600"]
        # Chromium's sandbox needs user namespaces, and refuses to start as root without them.
        arguments += ["--no-sandbox"] if os.getuid() == 0 else []
        options = {"args": arguments}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
        opened = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{opened['sessionId']}"

    def close(self) -> None:
        """End it."""
        self._ask("DELETE", self._session)

    def open(self, url: str) -> None:
        """Load a page."""
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        body = {"script": script, "args": list(arguments)}
        return self._ask("POST", f"{self._session}/execute/sync", body)

    def type(self, keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        presses = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": presses}]
        self._ask("POST", f"{self._session}/actions", {"actions": actions})

    def click(self, selector: str) -> None:
        """Click on the first element of a selector."""
        body = {"using": "css selector", "value": selector}
        found = self._ask("POST", f"{self._session}/element", body)
        self._ask("POST", f"{self._session}/element/{found[_ELEMENT]}/click", {})

    def log(self, kind: str) -> Sequence[Any]:
        """Return the entries of a log since the last call: ``browser`` or ``performance``."""
        found = self._ask("POST", f"{self._session}/se/log", {"type": kind})
        return found if isinstance(found, list) else []

    def tools(self, command: str, **parameters: Any) -> Any:
        """Send a command of Chromium's developer tools."""
        body = {"cmd": command, "params": parameters}
        return self._ask("POST", f"{self._session}/goog/cdp/execute", body)

    def picture(self, path: pathlib.Path) -> None:
        """Write what is visible as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("GET", f"{self._session}/screenshot")))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - chromedriver on the loopback interface
            f"{self._address}{path}", data, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - likewise
            return json.load(answer)["value"]


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Provide a browser.

    Raises:
        FileNotFoundError: saying how to install it.
    """
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            raise FileNotFoundError(MISSING.format(program=program))
    with subprocess.Popen(
        ["chromedriver", f"--port={_free_port()}"],  # noqa: S607 - the machine's own
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as driver:
        try:
            browser = Browser(f"http://127.0.0.1:{_port(driver)}")
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()


def _free_port() -> int:
    """Return a port that is free: chromedriver wants the same one for IPv4 and IPv6."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port: int = server.getsockname()[1]
        return port


def _port(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    said = ""
    for line in driver.stdout:
        said += line
        if found := _STARTED.search(line):
            return found[1]
    raise RuntimeError(f"expected chromedriver to start, got: {said}")
