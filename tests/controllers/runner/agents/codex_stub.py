"""A stub of the server's side of `codex app-server`, as documented in its README.

https://github.com/openai/codex/blob/main/codex-rs/app-server/README.md

CODEX_STUB selects the events of the turn. Messages of the client are written to `said.jsonl`.
"""

import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

SCENE = os.environ.get("CODEX_STUB", "plain")
THREAD = "thr_1"
TURN = "turn_1"


def send(message: Message) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def tell(method: str, **parameters: Any) -> None:
    send({"method": method, "params": {"threadId": THREAD, **parameters}})


def receive() -> Message:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    with (pathlib.Path(os.environ["AGENT_WORKSPACE"]) / "said.jsonl").open("a") as file:
        file.write(line)
    message: Message = json.loads(line)
    return message


def expect(method: str) -> Message:
    message = receive()
    if message.get("method") != method:
        send({"id": message.get("id"), "error": {"code": -32600, "message": "Not initialized"}})
        sys.exit(3)
    return message


def item(**fields: Any) -> None:
    tell("item/started", turnId=TURN, item=fields)
    tell("item/completed", turnId=TURN, item=fields)


def complete(status: str = "completed", **fields: Any) -> None:
    tell("turn/completed", turn={"id": TURN, "status": status, "items": [], **fields})


def interrupted() -> None:
    message = expect("turn/interrupt")
    assert message["params"] == {"threadId": THREAD, "turnId": TURN}
    send({"id": message["id"], "result": {}})
    complete("interrupted", error=None)


def usage(total: int, last: int) -> None:
    spent = {"total": {"totalTokens": total}, "last": {"totalTokens": last}}
    tell("thread/tokenUsage/updated", turnId=TURN, tokenUsage=spent)


def ask() -> None:
    """Ask whether a command may run, and report the answer."""
    asked = {"threadId": THREAD, "turnId": TURN, "itemId": "call_1", "command": "rm -rf build"}
    send({"id": 90, "method": "item/commandExecution/requestApproval", "params": asked})
    decision = receive()["result"]["decision"]
    did = "completed" if decision == "accept" else "declined"
    item(type="commandExecution", id="call_1", command="rm -rf build", status=did, exitCode=None)
    send({"id": 91, "method": "account/somethingNew", "params": {}})
    assert receive()["error"]["code"] == -32601


def fail() -> None:
    error = {"message": "the model has no capacity left", "codexErrorInfo": None}
    tell("error", turnId=TURN, error=error, willRetry=False)
    complete("failed", error=error)


def retry() -> None:
    tell("error", turnId=TURN, error={"message": "Reconnecting... 1/5"}, willRetry=True)


def be_deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    item(type="agentMessage", id="msg_0", text="I do not listen.")
    time.sleep(60)


def spend() -> None:
    usage(1040, 40)
    usage(1200, 160)
    interrupted()


def make_noise() -> None:
    sys.stdout.write("this is no JSON\n")
    sys.stdout.write("[1, 2]\n")
    other = {"threadId": "thr_of_another_agent", "turn": {"id": "x", "status": "failed"}}
    send({"method": "turn/completed", "params": other})


SCENES: dict[str, Callable[[], object]] = {
    "asks": ask,
    "deaf": be_deaf,
    "dies": lambda: sys.exit(7),
    "fails": fail,
    "long": lambda: sys.stdout.write("x" * 40_000_000 + "\n"),
    "noisy": make_noise,
    "retries": retry,
    "sluggish": lambda: time.sleep(3.3),
    "spends": spend,
    "waits": interrupted,
}


def main() -> None:
    sys.stderr.write("codex says hello on standard error\n")
    if SCENE == "slow":
        time.sleep(60)
    message = expect("initialize")
    send({"id": message["id"], "result": {"userAgent": "stub", "codexHome": "/nowhere"}})
    expect("initialized")
    message = receive()
    if message["method"] not in {"thread/start", "thread/resume"} or SCENE == "refuses":
        send({"id": message["id"], "error": {"code": -32600, "message": "no such thread"}})
        sys.stdin.readline()
        return
    started = {"thread": {"id": THREAD}, "model": "gpt-stub", "cwd": message["params"]["cwd"]}
    send({"id": message["id"], "result": {**started, "reasoningEffort": "medium"}})
    tell("thread/started", thread={"id": THREAD})
    message = expect("turn/start")
    send({"id": message["id"], "result": {"turn": {"id": TURN, "status": "inProgress"}}})
    tell("turn/started", turn={"id": TURN, "status": "inProgress"})
    SCENES.get(SCENE, lambda: None)()
    if SCENE not in {"fails", "waits", "spends"}:
        item(type="agentMessage", id="msg_1", text="All done.")
        complete()
    if SCENE == "lingers":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    # The end of the input is that of the server; a test looks whether it came to that.
    while sys.stdin.readline():
        pass
    (pathlib.Path(os.environ["AGENT_WORKSPACE"]) / "ended-by-itself").touch()


if __name__ == "__main__":
    main()
