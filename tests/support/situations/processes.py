"""Situations: what agents do that are processes, and what is done to them."""

import signal
from typing import Any, Final

from controllers import kube
from tests.support.situations.given import LOCAL, SHORT, Given, manifest, retries
from tests.support.situations.happenings import Kill, Make, Says, Until
from tests.support.situations.situation import SUCCEEDED, Expected, Situation, failed


def _given(script: str, **more: Any) -> Given:
    return Given(script=script, pods=SHORT, **more)


COUNT: Final = "n=$(cat ../count 2>/dev/null || echo 0); echo $((n + 1)) > ../count; "

SITUATIONS: Final = tuple(
    Situation(
        name=f"process-{name}", given=given, happens=happens, expected=expected, runtimes=LOCAL
    )
    for name, given, happens, expected in (
        ("succeeds", _given("echo done"), (), SUCCEEDED),
        ("fails", _given("exit 3"), (), failed("RunnerFailed", "3")),
        ("fails-twice", _given("exit 3", agent=retries(1)), (), failed("RunnerFailed", attempts=2)),
        ("kills-itself", _given("kill -9 $$"), (), failed("RunnerFailed", "SIGKILL")),
        (
            "kills-its-runner",
            _given("sleep 300 & kill -9 $PPID; sleep 300"),
            (),
            failed("RunnerFailed", "SIGKILL"),
        ),
        (
            "is-killed",
            _given("sleep 300"),
            (Until("Running", "Running"), Kill()),
            failed("RunnerFailed", "SIGKILL"),
        ),
        (
            "is-told-to-end-by-others",
            _given("sleep 300"),
            (Until("Running", "Running"), Kill(signal.SIGTERM)),
            Expected(phase="Cancelled", reason="RunnerCancelled"),
        ),
        ("leaves-others-behind", _given("sleep 300 & setsid sleep 300 & echo left"), (), SUCCEEDED),
        (
            "does-not-listen",
            _given(
                "trap '' TERM INT; while :; do sleep 1; done",
                agent={"runDefaults": {"timeout": "3s"}},
            ),
            (Until("Running", "Running"),),
            failed("TimedOut"),
        ),
        (
            "prints-no-utf-8",
            _given("printf 'caf\\351 \\377\\376 \\033[31mred\\033[0m\\n'"),
            (Until("Succeeded"), Says(("run", "logs", "run"), ("caf",), 0)),
            SUCCEEDED,
        ),
        (
            "prints-much",
            _given("head -c 3000000 /dev/zero | tr '\\0' a | fold -w 100"),
            (),
            SUCCEEDED,
        ),
        (
            "puts-a-folder-in-the-place-of-the-status",
            _given("rm -rf .agent/status.json; mkdir -p .agent/status.json/x"),
            (),
            SUCCEEDED,
        ),
        (
            "puts-a-folder-in-the-place-of-the-log",
            _given("rm -rf .agent/runner.log; mkdir .agent/runner.log"),
            (),
            SUCCEEDED,
        ),
        (
            "puts-a-pipe-in-the-place-of-the-status",
            _given("rm -rf .agent/status.json; mkfifo .agent/status.json; kill -9 $PPID"),
            (),
            failed("RunnerFailed"),
        ),
        (
            "puts-a-link-in-the-place-of-the-status",
            _given("ln -sf /etc/passwd .agent/status.json; kill -9 $PPID"),
            (),
            failed("RunnerFailed"),
        ),
        (
            "writes-a-huge-status",
            _given("head -c 50000000 /dev/zero > .agent/status.json; kill -9 $PPID"),
            (),
            failed("RunnerFailed"),
        ),
        (
            "takes-its-workspace-away",
            _given("rm -rf ./* ./.agent"),
            (),
            SUCCEEDED,
        ),
        (
            "makes-its-workspace-unreadable",
            _given("chmod 000 .agent; kill -9 $PPID"),
            (),
            failed("RunnerFailed"),
        ),
        (
            "has-no-such-program",
            Given(
                provider={"adapter": {"type": "Exec", "exec": {"binary": "/nowhere/agent"}}},
                pods=SHORT,
            ),
            (),
            failed("RunnerFailed", "/nowhere/agent"),
        ),
        (
            "needs-a-secret-that-is-missing",
            _given("true", run={"secretRefs": [{"name": "nowhere"}]}),
            (
                Until("Pending", "", "nowhere"),
                Make(kube.SECRETS, manifest(kube.SECRETS, "nowhere", stringData={"A": "b"})),
            ),
            SUCCEEDED,
        ),
    )
)
