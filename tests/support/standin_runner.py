"""Stands in for the agent-runner: reads run.json, does as its text says, reports. Stdlib only."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(os.environ["AGENT_WORKSPACE"])
SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"]


def report(status: str, code: int, **more: object) -> int:
    path = ROOT / ".agent/status.json"
    path.parent.mkdir(exist_ok=True)
    whole = {"status": status, "exitCode": code, "provider": os.environ["AGENT_PROVIDER"], **more}
    path.with_suffix(".new").write_text(json.dumps(whole))
    path.with_suffix(".new").rename(path)
    return code


def main() -> int:  # noqa: C901 - a word each
    with (ROOT / "starts").open("a") as starts:
        starts.write("x")
    (ROOT / "seen.json").write_text(json.dumps({"env": dict(os.environ), "argv": sys.argv[1:]}))
    run = json.loads(pathlib.Path(os.environ["AGENT_RUN_SPEC"]).read_text())
    match run["implementation"]["text"]:
        case "fails":
            return report("failed", 3, error="it could not be done")
        case "lasts":
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(report("cancelled", 143)))
            (ROOT / "ready").touch()
            time.sleep(300)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (ROOT / "ready").touch()
            time.sleep(300)
        case "leaves":
            # In a session of its own, as the agent-runner starts its agents.
            left = subprocess.Popen(SLEEPER, start_new_session=True)
            (ROOT / "left").write_text(str(left.pid))
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "silent":
            return 5
        case "babbles":
            (ROOT / ".agent").mkdir(exist_ok=True)
            (ROOT / ".agent/status.json").write_text('{"status": ["?"], "exitCode": 1e400')
        case "pipe":
            (ROOT / ".agent").mkdir(exist_ok=True)
            os.mkfifo(ROOT / ".agent/status.json")
        case "wrong-spec":
            return report("failed", 65, error="no such adapter")
    if run["implementation"]["text"] in {"succeeds", "leaves"}:
        artifact = {"name": "log", "path": "/workspace/log.txt"}
        return report("succeeded", 0, artifacts={"outputArtifacts": [artifact]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
