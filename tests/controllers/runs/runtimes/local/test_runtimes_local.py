import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest

from controllers import kube
from controllers.kube import clocks
from controllers.runs.runtimes.base import Code, Key, Progress, RuntimeFault, Stage, Work
from controllers.runs.runtimes.local import detached_processes, launch, local, workspaces
from tests.support import local_bench
from tests.support.runtime_bench import Behaviour

pytestmark = pytest.mark.slow

SECONDS = 120.0
SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]


@pytest.fixture
async def bench(tmp_path: pathlib.Path) -> AsyncIterator[local_bench.LocalBench]:
    async with local_bench.opened(tmp_path) as opened:
        yield opened


def saying(bench: local_bench.LocalBench, text: str, **changes: Any) -> tuple[Key, Work]:
    """Work with a command for the stand-in runner."""
    key, work = bench.work(Behaviour.SUCCEEDS)
    return key, dataclasses.replace(work, run_json={"implementation": {"text": text}}, **changes)


def provider(**spec: Any) -> dict[str, Any]:
    return {"runner": {"command": "agent-runner"}, **spec}


async def ended(bench: local_bench.LocalBench, key: Key, work: Work, **options: Any) -> Progress:
    adapter = bench.adapter(**options)
    ref = await adapter.submit(key, work)
    progress, _ = await bench.until(adapter, ref, *filter(lambda each: each.is_ended, Stage))
    return progress


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def no_file_grows() -> Iterator[None]:
    """As on a full disk, with another error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def seen(bench: local_bench.LocalBench, key: Key) -> dict[str, Any]:
    """Return what the stand-in runner observed."""
    found: dict[str, Any] = json.loads((bench.place(key).workspace / "seen.json").read_text())
    return found


# ---------------------------------------------------------------------- what the runner finds


async def test_runner_finds_its_files_and_variables(bench: local_bench.LocalBench) -> None:
    key, work = saying(
        bench,
        "succeeds",
        provider=provider(
            runner={
                "command": "agent-runner",
                "args": ["/workspace/agent-runner.json", "$(GREETING)!"],
            },
            env=[
                {"name": "GREETING", "value": "hello {{ inputs.behaviour }}"},
                {"name": "TWICE", "value": "$(GREETING) $(GREETING) $$(GREETING) $(NOBODY)"},
                {"name": "CODEX_HOME", "value": "/workspace/.codex"},
                {"name": "EMPTY"},
            ],
            files=[
                {"path": "/workspace/in/a.txt", "content": "for {{ inputs.behaviour }}"},
                {"path": "/root/.codex/auth.json", "content": "{}"},
                {"path": "/workspace/../../../etc/evil", "content": "evil"},
            ],
        ),
        system_prompt={"inline": "Be brief."},
        system_prompt_hash="0" * 64,
    )

    await ended(bench, key, work)

    place, found = bench.place(key), seen(bench, key)
    here = str(place.workspace)
    assert [f"{here}/agent-runner.json", "hello succeeds!"] == found["argv"]
    assert {
        "AGENT_RUN_SPEC": f"{here}/run.json",
        "AGENT_RUNNER_SPEC_PATH": f"{here}/agent-runner.json",
        "AGENT_PROVIDER": "shell",
        "AGENT_WORKSPACE": here,
        "CODEX_SYSTEM_PROMPT_PATH": f"{here}/.codex/system-prompt.txt",
        "CODEX_SYSTEM_PROMPT_REQUIRED": "true",
        "CODEX_SYSTEM_PROMPT_EXPECTED_HASH": "0" * 64,
        "CODEX_HOME": f"{here}/.codex",
        "GREETING": "hello succeeds",
        "TWICE": "hello succeeds hello succeeds $(GREETING) $(NOBODY)",
        "EMPTY": "",
    }.items() <= found["env"].items()
    assert dict(work.runner_json) == json.loads((place.workspace / "agent-runner.json").read_text())
    assert "Be brief." == (place.workspace / ".codex/system-prompt.txt").read_text()
    assert "for succeeds" == (place.workspace / "in/a.txt").read_text()
    assert "{}" == (place.path / "root/root/.codex/auth.json").read_text()
    assert "evil" == (place.path / "root/etc/evil").read_text()


async def test_nothing_of_the_controllers_environment_is_passed_on(
    bench: local_bench.LocalBench,
) -> None:
    ours = {
        "PATH": os.environ["PATH"],
        "HOME": "/home/x",
        "LANG": "C",
        "TZ": "UTC",
        "TOKEN": "s3cret",
    }
    key, work = saying(bench, "succeeds")

    await ended(bench, key, work, environment=ours)

    names = {*seen(bench, key)["env"]} - {"LC_CTYPE"}
    agents = {"AGENT_RUN_SPEC", "AGENT_RUNNER_SPEC_PATH", "AGENT_PROVIDER", "AGENT_WORKSPACE"}
    assert {"PATH", "HOME", "LANG", "TZ", *agents} == names


class Store:
    """Secrets and ConfigMaps in memory."""

    def __init__(self, **values: Mapping[str, bytes]) -> None:
        self.values = values

    async def one(self, namespace: str, kind: str, name: str, key: str) -> bytes | None:
        assert "team" == namespace
        return self.values.get(f"{kind}_{name}", {}).get(key)

    async def all(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        assert "team" == namespace
        return self.values.get(f"Secret_{name}")

    def options(self) -> dict[str, Any]:
        return {"resolve": self.one, "resolve_all": self.all}


async def test_secrets_and_config_maps_are_resolved(bench: local_bench.LocalBench) -> None:
    store = Store(
        Secret_keys={"API_KEY": b"k", "SHARED": b"secret's", "odd": b"\xff"},
        ConfigMap_texts={"intro": b"hello"},
    )
    key, work = saying(
        bench,
        "succeeds",
        spec={
            "runtime": {"type": "Job"},
            "secretRefs": [{"name": "keys"}],
            "workload": {
                "volumes": [
                    {
                        "name": "all",
                        "mountPath": "/workspace/all",
                        "secret": {"secretName": "keys"},
                    },
                    {"name": "scratch", "mountPath": "/workspace/scratch", "emptyDir": {}},
                ]
            },
        },
        provider=provider(
            env=[
                {"name": "ONE", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "API_KEY"}}},
                {
                    "name": "NONE",
                    "valueFrom": {"secretKeyRef": {"name": "no", "key": "x", "optional": True}},
                },
                {"name": "SHARED", "value": "provider's"},
            ],
            files=[
                {"path": "/workspace/s", "secretKeyRef": {"name": "keys", "key": "API_KEY"}},
                {"path": "/workspace/c", "configMapKeyRef": {"name": "texts", "key": "intro"}},
            ],
        ),
        system_prompt={"configMapKeyRef": {"name": "texts", "key": "intro"}},
    )

    await ended(bench, key, work, **store.options())

    env, here = seen(bench, key)["env"], bench.place(key).workspace
    expected = {"API_KEY": "k", "ONE": "k", "SHARED": "provider's", "odd": "\udcff"}
    assert expected.items() <= env.items()
    assert "NONE" not in env
    assert ["k", "hello", "hello", "k"] == [
        (here / name).read_text() for name in ("s", "c", ".codex/system-prompt.txt", "all/API_KEY")
    ]
    assert 0o600 == (here / "s").stat().st_mode & 0o777
    assert 0o700 == bench.place(key).path.stat().st_mode & 0o777
    assert [] == [*(here / "scratch").iterdir()]


@pytest.mark.parametrize(
    "spec",
    [
        {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "no", "key": "x"}}}]},
        {"files": [{"path": "/workspace/x", "configMapKeyRef": {"name": "no", "key": "x"}}]},
    ],
    ids=["variable", "file"],
)
@pytest.mark.parametrize("options", [{}, Store().options()], ids=["nobody to ask", "not there"])
async def test_missing_value_is_named(
    bench: local_bench.LocalBench, spec: dict[str, Any], options: dict[str, Any]
) -> None:
    key, work = saying(bench, "succeeds", provider=provider(**spec))

    with pytest.raises(RuntimeFault, match=r"key 'x' in .* team/no") as caught:
        await bench.adapter(**options).submit(key, work)

    assert Code.RETRYABLE is caught.value.code
    assert not bench.place(key).exists()


async def test_value_that_cannot_be_read_is_a_fault(bench: local_bench.LocalBench) -> None:
    async def resolve(*_: str) -> bytes | None:
        raise kube.ForbiddenError({"code": 403, "message": "no"})

    source = {"secretKeyRef": {"name": "no", "key": "x"}}
    key, work = saying(
        bench, "succeeds", provider=provider(env=[{"name": "X", "valueFrom": source}])
    )

    with pytest.raises(RuntimeFault) as caught:
        await bench.adapter(resolve=resolve).submit(key, work)

    assert Code.DENIED is caught.value.code


@pytest.mark.parametrize(
    "spec",
    [
        {"env": [{"name": "X", "value": "a\0b"}]},
        {"env": [{"name": "X=", "value": "a"}]},
        {"env": [{"name": "X", "value": "a" * 4_000_000}]},
        {"files": [{"path": "/workspace/a\0b", "content": ""}]},
        {"files": [{"path": "/workspace/" + "a" * 300, "content": ""}]},
        {
            "files": [
                {"path": "/workspace/a", "content": ""},
                {"path": "/workspace/a/b", "content": ""},
            ]
        },
        {
            "workload": {
                "serviceAccountToken": {
                    "audience": "x",
                    "expirationSeconds": 600,
                    "mountPath": "/var/run/token",
                }
            }
        },
    ],
    ids=["NUL", "name", "too large", "NUL in path", "long path", "file in a file", "token"],
)
async def test_what_no_process_can_have_is_refused_for_good(
    bench: local_bench.LocalBench, spec: dict[str, Any]
) -> None:
    key, work = saying(bench, "succeeds", provider=provider(**spec))

    with pytest.raises(RuntimeFault) as caught:
        await bench.adapter().submit(key, work)

    assert Code.TERMINAL is caught.value.code
    assert str(bench.root) not in caught.value.message
    assert 0 == await bench.starts(key)


async def test_claim_keeps_its_contents(bench: local_bench.LocalBench) -> None:
    claim = {"name": "state", "mountPath": "/workspace/state"}
    volumes = [{**claim, "persistentVolumeClaim": {"claimName": "memory"}}]
    spec = {"runtime": {"type": "Job"}, "workload": {"volumes": volumes}}
    first, second = (saying(bench, "succeeds", spec=spec) for _ in range(2))

    await ended(bench, *first)
    (bench.place(first[0]).workspace / "state/known").write_text("42")
    await ended(bench, *second)

    assert "42" == (bench.place(second[0]).workspace / "state/known").read_text()


def test_no_path_leads_out_of_the_folder(bench: local_bench.LocalBench) -> None:
    place = bench.place("uid/1")
    names = ["/workspace/../../../x", "/../y", "//z", "/workspace/a/../../../w", "/workspacex/v"]

    place.make(workspaces.Contents(files=dict.fromkeys(names, b"")))

    made = {str(path.relative_to(place.path)) for path in place.path.rglob("*") if path.is_file()}
    assert {"root/x", "root/y", "root/z", "root/w", "root/workspacex/v"} == made
    assert [place.path] == [*place.path.parent.iterdir()]


async def test_namespace_cannot_lead_out_of_the_root(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "succeeds", namespace="../..")
    adapter = bench.adapter()

    for call in (adapter.submit(key, work), adapter.status(adapter.ref(key, work))):
        with pytest.raises(RuntimeFault) as caught:
            await call
        assert Code.TERMINAL is caught.value.code


async def test_root_that_is_no_folder_is_a_fault(tmp_path: pathlib.Path) -> None:
    (tmp_path / "root").write_text("")
    bench = local_bench.LocalBench(tmp_path / "root")
    key, work = saying(bench, "succeeds")
    adapter = bench.adapter()

    for call in (adapter.submit(key, work), adapter.cancel(adapter.ref(key, work))):
        with pytest.raises(RuntimeFault):
            await call


# ------------------------------------------------------------------------------ how it ended


async def test_report_and_artifacts_are_told(bench: local_bench.LocalBench) -> None:
    progress = await ended(bench, *saying(bench, "succeeds"))

    assert progress.runner is not None
    assert ("succeeded", 0) == (progress.runner["status"], progress.runner["exitCode"])
    assert [{"name": "log", "path": "/workspace/log.txt"}] == progress.artifacts
    assert progress.started is not None
    assert progress.ended is not None
    assert progress.started <= progress.ended


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("fails", "it could not be done", Code.RETRYABLE),
        ("wrong-spec", "no such adapter", Code.TERMINAL),
        ("dies", "The runner exited with signal 9 (SIGKILL) without a report.", Code.RETRYABLE),
        ("silent", "The runner exited with exit code 5 without a report.", Code.RETRYABLE),
    ],
)
async def test_failure_says_why_and_whether_to_try_again(
    bench: local_bench.LocalBench, text: str, message: str, code: Code
) -> None:
    progress = await ended(bench, *saying(bench, text))

    expected = (Stage.FAILED, "RunnerFailed", message, code)
    assert expected == (progress.stage, progress.reason, progress.message, progress.code)


@pytest.mark.parametrize("text", ["babbles", "pipe"])
async def test_exit_code_alone_counts_where_no_report_can_be_read(
    bench: local_bench.LocalBench, text: str
) -> None:
    progress = await ended(bench, *saying(bench, text))

    assert (Stage.SUCCEEDED, None) == (progress.stage, progress.runner)


async def test_runner_that_is_not_there_is_a_failure_for_good(
    bench: local_bench.LocalBench,
) -> None:
    progress = await ended(bench, *saying(bench, "succeeds"), command=["no-such-runner"])

    expected = (Stage.FAILED, Code.TERMINAL, "could not start no-such-runner: ")
    assert expected == (progress.stage, progress.code, progress.message[: len(expected[2])])


async def test_runner_ignores_and_blocks_no_signal(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "succeeds")

    await ended(bench, key, work, command=["grep", "^Sig[IB]", "/proc/self/status"])

    lines = (bench.place(key).path / "output.log").read_text().splitlines()
    masks = {name: int(mask, 16) for name, mask in (line.split(":") for line in lines)}
    ignored = [each for each in signal.valid_signals() if masks["SigIgn"] >> (each - 1) & 1]
    assert not {*ignored} & {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM}
    assert 0 == masks["SigBlk"]


async def test_what_the_runner_left_ends_with_it(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "leaves")

    progress = await ended(bench, key, work)

    left = int((bench.place(key).workspace / "left").read_text())
    assert Stage.SUCCEEDED is progress.stage
    await until(lambda: launch.stamp(left) is None)


# --------------------------------------------------------------------- crashes and restarts


async def test_many_launchers_start_one_runner(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "lasts")
    adapters = [bench.adapter() for _ in range(12)]

    await asyncio.gather(*(each.submit(key, work) for each in adapters))
    await until((bench.place(key).workspace / "ready").exists)
    await asyncio.sleep(0.2)

    assert 1 == await bench.starts(key)


async def test_folder_without_a_start_is_taken_up(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "succeeds")
    adapter = bench.adapter()
    # As by a controller that was killed between making the folder and starting the launcher.
    files = {"/workspace/run.json": json.dumps(work.run_json).encode()}
    bench.place(key).make(workspaces.Contents(files=files))

    before = await adapter.status(adapter.ref(key, work))
    progress = await ended(bench, key, work)

    assert (Stage.MISSING, Stage.SUCCEEDED) == (before.stage, progress.stage)
    assert 1 == await bench.starts(key)


CONTROLLER = """
import asyncio, os, pathlib, signal, sys
from controllers.runs.runtimes.local import detached_processes as children, launch
from tests.support import local_bench
import test_runtimes_local as here

async def main():
    bench = local_bench.LocalBench(pathlib.Path(sys.argv[1]))
    key, work = here.fixed(bench)
    if sys.argv[2] == "starting":
        # Killed when the launcher has been started, and nothing has been heard of it.
        import select
        select.select = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    await bench.adapter().submit(key, work)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def fixed(bench: local_bench.LocalBench) -> tuple[Key, Work]:
    _, work = saying(bench, "lasts")
    return "uid/1", dataclasses.replace(work, uid="uid", run="run")


@pytest.mark.parametrize("when", ["starting", "started"])
async def test_runner_outlives_a_killed_controller_and_is_found(
    bench: local_bench.LocalBench, when: str
) -> None:
    paths = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[5])]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CONTROLLER, str(bench.root), when],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    assert -signal.SIGKILL == done.returncode
    key, work = fixed(bench)
    changes: list[Key] = []
    adapter = bench.adapter(on_change=changes.append)

    ref = await adapter.submit(key, work)
    await bench.until(adapter, ref, Stage.RUNNING)
    await until((bench.place(key).workspace / "ready").exists)
    await adapter.cancel(ref)
    progress, _ = await bench.until(adapter, ref, Stage.CANCELLED)

    assert 1 == await bench.starts(key)
    assert progress.runner is not None
    await until(lambda: changes == [key])


async def test_end_of_a_runner_is_told(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "lasts")
    changes: list[Key] = []
    adapter = bench.adapter(on_change=changes.append)
    ref = await adapter.submit(key, work)
    await until((bench.place(key).workspace / "ready").exists)
    assert [] == changes

    await adapter.cancel(ref)
    await until(lambda: bool(changes))

    assert [key] == changes
    assert Stage.CANCELLED is (await adapter.status(ref)).stage


async def test_number_of_another_process_is_no_match(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "succeeds")
    adapter = bench.adapter()
    ref = adapter.ref(key, work)
    place = bench.place(key)
    place.make(workspaces.Contents())
    with subprocess.Popen(SLEEP, start_new_session=True) as bystander:  # noqa: ASYNC220 - as it is
        said = {"pid": bystander.pid, "stamp": "boot/1", "at": clocks.utc_now().isoformat()}
        launch.publish(place.path / launch.STARTED, said)

        progress = await adapter.status(ref)
        await adapter.cancel(ref)
        alive = bystander.poll() is None
        bystander.kill()

    assert (Stage.FAILED, True) == (progress.stage, alive)


async def test_files_that_a_power_failure_emptied_are_no_error(
    bench: local_bench.LocalBench,
) -> None:
    key, work = saying(bench, "succeeds")
    adapter = bench.adapter()
    place = bench.place(key)
    place.make(workspaces.Contents())
    (place.path / launch.STARTED).touch()

    progress = await adapter.status(adapter.ref(key, work))

    assert (Stage.FAILED, Code.RETRYABLE) == (progress.stage, progress.code)


def test_stamps_without_proc_are_those_of_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_BOOT", pathlib.Path("/nowhere"))

    with subprocess.Popen(SLEEP) as process:
        before = launch.stamp(process.pid)
        again = launch.stamp(process.pid)
        process.kill()

    assert before is not None
    assert (before, None) == (again, launch.stamp(process.pid))


# -------------------------------------------------------------------------------- cancellation


async def test_stubborn_runner_is_killed_when_its_grace_is_over(
    bench: local_bench.LocalBench,
) -> None:
    key, work = saying(bench, "stubborn")
    now = clocks.utc_now()
    adapter = bench.adapter(grace_seconds=30, now=lambda: now)
    ref = await adapter.submit(key, work)
    await until((bench.place(key).workspace / "ready").exists)

    await adapter.cancel(ref)
    now += dt.timedelta(seconds=29)
    early = [(await adapter.status(ref)).stage for _ in range(3)]
    now += dt.timedelta(seconds=1)
    progress, stages = await bench.until(adapter, ref, Stage.CANCELLED)

    assert [Stage.CANCELLING] * 3 == early
    assert [Stage.CANCELLING, Stage.CANCELLED] == stages
    assert "RunnerCancelled" == progress.reason


async def test_failure_stays_one_when_it_is_cancelled_later(
    bench: local_bench.LocalBench,
) -> None:
    key, work = saying(bench, "silent")
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    before, _ = await bench.until(adapter, ref, Stage.FAILED)

    await adapter.cancel(ref)

    assert before == await adapter.status(ref)


async def test_launcher_that_finds_a_cancellation_starts_nothing(
    bench: local_bench.LocalBench,
) -> None:
    key, work = saying(bench, "succeeds")
    adapter = bench.adapter()
    ref = adapter.ref(key, work)
    # As if it came when the submission had looked for it, and the launcher had not.
    place = bench.place(key)
    place.make(workspaces.Contents(files={"/workspace/run.json": b"{}"}))
    await adapter.cancel(ref)

    pid = detached_processes.spawn(
        place.path, local_bench.STANDIN, {"AGENT_WORKSPACE": str(place.workspace)}
    )
    detached_processes.wait(pid)
    progress = await adapter.status(ref)

    assert Stage.CANCELLED is progress.stage
    assert 0 == await bench.starts(key)
    assert not (place.path / "output.log").read_text()


async def test_cancellation_that_comes_while_a_launcher_starts_wins(
    bench: local_bench.LocalBench,
) -> None:
    for delay in (0.0, 0.01, 0.02, 0.03, 0.05):
        key, work = saying(bench, "succeeds")
        adapter = bench.adapter()
        ref = adapter.ref(key, work)

        async def end(after: float = delay, adapter: local.Local = adapter) -> None:
            await asyncio.sleep(after)
            await adapter.cancel(ref)  # noqa: B023 - awaited within the turn

        await asyncio.gather(adapter.submit(key, work), end())
        progress, _ = await bench.until(adapter, ref, Stage.CANCELLED, Stage.SUCCEEDED)

        # Either it was in time, or all had been done before.
        if progress.stage is Stage.SUCCEEDED:
            assert bench.place(key).cancelled() is None or progress.runner
        await asyncio.sleep(0.05)
        assert await bench.starts(key) <= 1


# --------------------------------------------------------------------------------- the real one


async def test_real_runner_is_run_as_in_a_pod(tmp_path: pathlib.Path) -> None:
    bench = local_bench.LocalBench(tmp_path)
    key, work = bench.work(Behaviour.SUCCEEDS)
    script = tmp_path / "agent.sh"
    script.write_text('#!/bin/sh\necho "$1 $GREETING" > out.txt\n')
    script.chmod(0o755)
    exec_ = {
        "binary": str(script),
        "args": ["{{inputs.behaviour}}"],
        "outputArtifacts": [{"name": "out", "path": "/workspace/out.txt"}],
    }
    work = dataclasses.replace(
        work,
        provider=provider(env=[{"name": "GREETING", "value": "{{inputs.behaviour}}"}]),
        runner_json={**work.runner_json, "adapter": {"type": "exec", "exec": exec_}},
    )
    adapter = local.Local(tmp_path / "root", requeue_after_seconds=0.02)

    ref = await adapter.submit(key, work)
    progress, _ = await bench.until(adapter, ref, Stage.SUCCEEDED)
    await adapter.close()

    place = workspaces.place(tmp_path / "root", ref.namespace, ref.name)
    assert "succeeds succeeds\n" == (place.workspace / "out.txt").read_text()
    assert ["out"] == [one["name"] for one in progress.artifacts]


async def test_real_runner_is_cancelled(tmp_path: pathlib.Path) -> None:
    bench = local_bench.LocalBench(tmp_path)
    key, work = bench.work(Behaviour.LASTS)
    exec_ = {"binary": "/bin/sh", "args": ["-c", "touch ready; sleep 300"]}
    work = dataclasses.replace(
        work, runner_json={"provider": "p", "adapter": {"type": "exec", "exec": exec_}}
    )
    adapter = local.Local(tmp_path, requeue_after_seconds=0.02)

    ref = await adapter.submit(key, work)
    await until((bench.place(key).workspace / "ready").exists)
    await adapter.cancel(ref)
    progress, _ = await bench.until(adapter, ref, Stage.CANCELLED)
    await adapter.close()

    assert progress.runner is not None
    assert "cancelled" == progress.runner["status"]
    assert not detached_processes.kill_leftovers(bench.place(key).workspace)


# ------------------------------------------------------------------------------------ sweeping

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
LIMITS = workspaces.Limits(
    age=dt.timedelta(days=7), count=3, size_bytes=100, least_age=dt.timedelta(hours=1)
)


def entry(
    name: str, hours: float | None, size_bytes: int = 10, kept: float | None = None
) -> workspaces.Entry:
    at = None if hours is None else NOW - dt.timedelta(hours=hours)
    age = None if kept is None else dt.timedelta(hours=kept)
    return workspaces.Entry(pathlib.Path(name), at, size_bytes, age)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([entry("old", 200), entry("new", 2)], ["old"]),
        ([entry(str(hours), hours) for hours in (2, 3, 4, 5, 6)], ["6", "5"]),
        ([entry("a", 2, 60), entry("b", 3, 60), entry("c", 4, 1)], ["c", "b"]),
        ([entry("huge", 2, 1000)], ["huge"]),
        ([entry(f"fresh-{number}", 0.5, 1000) for number in range(9)], []),
        ([entry(f"live-{number}", None, 1000) for number in range(9)], []),
        ([entry("long", 200, kept=300), entry("short", 2, kept=1)], ["short"]),
    ],
    ids=[
        *("none", "age", "count", "bytes", "one too large", "fresh ones stay", "live ones stay"),
        "as their runs say",
    ],
)
def test_folders_to_delete(entries: list[workspaces.Entry], expected: list[str]) -> None:
    chosen = workspaces.to_delete(entries, NOW, LIMITS)

    assert expected == [str(each.path) for each in chosen]


async def test_sweep_deletes_what_ended_long_ago_and_nothing_that_runs(
    bench: local_bench.LocalBench,
) -> None:
    now = clocks.utc_now()
    adapter = bench.adapter(now=lambda: now)
    done, live, buried = (saying(bench, text) for text in ("succeeds", "lasts", "succeeds"))
    await adapter.cancel(adapter.ref(*buried))
    ref = await adapter.submit(*done)
    await adapter.submit(*live)
    await bench.until(adapter, ref, Stage.SUCCEEDED)
    # Agents leave folders that nobody may write to, and links to what is not theirs.
    kept = bench.root / "kept.txt"
    kept.write_text("kept")
    workspace = bench.place(done[0]).workspace
    (workspace / "modules").mkdir()
    (workspace / "modules/m").touch()
    (workspace / "modules").chmod(0o500)
    (workspace / "link").symlink_to(kept)
    theirs = bench.root / "theirs"
    theirs.mkdir()
    theirs.chmod(0o750)
    (workspace / "folder").symlink_to(theirs)
    (bench.root / "team/.new-x").mkdir()

    none = await adapter.sweep()
    now += dt.timedelta(days=8)
    number = await adapter.sweep()

    assert (0, 2) == (none, number)
    left = sorted(path.name for path in (bench.root / "team").iterdir())
    assert [bench.place(live[0]).path.name] == left
    assert "kept" == kept.read_text()
    assert 0o750 == theirs.stat().st_mode & 0o777
    assert Stage.MISSING is (await adapter.status(ref)).stage


async def test_folder_is_kept_as_long_as_the_logs_of_its_run(
    bench: local_bench.LocalBench,
) -> None:
    spec = {"runtime": {"type": "Job", "logRetention": "240h"}}
    key, work = saying(bench, "succeeds", spec=spec)
    await ended(bench, key, work)

    assert dt.timedelta(days=10) == bench.place(key).entry().age


async def test_sweep_makes_room_where_no_file_can_be_written(bench: local_bench.LocalBench) -> None:
    """Then the outcome of other work cannot be recorded until deletion has made room."""
    now = clocks.utc_now()
    adapter = bench.adapter(now=lambda: now)
    old, unseen = saying(bench, "succeeds"), saying(bench, "succeeds")
    await bench.until(adapter, await adapter.submit(*old), Stage.SUCCEEDED)
    await adapter.submit(*unseen)
    await until((bench.place(unseen[0]).workspace / ".agent/status.json").exists)
    await asyncio.sleep(0.1)
    now += dt.timedelta(days=8)

    with (
        no_file_grows(),
        pytest.raises(RuntimeFault, match="could not use the run's directory: File"),
    ):
        await adapter.sweep()

    left = sorted(path.name for path in (bench.root / "team").iterdir())
    assert [bench.place(unseen[0]).path.name] == left
    assert 0 == await adapter.sweep()
    now += dt.timedelta(days=8)
    assert 1 == await adapter.sweep()


async def test_sweep_counts_work_that_nobody_asked_after(bench: local_bench.LocalBench) -> None:
    key, work = saying(bench, "succeeds")
    await bench.adapter().submit(key, work)
    await until((bench.place(key).workspace / ".agent/status.json").exists)
    await asyncio.sleep(0.1)
    now = clocks.utc_now()
    adapter = bench.adapter(now=lambda: now)

    await adapter.sweep()
    now += dt.timedelta(days=8)

    assert 1 == await adapter.sweep()


def test_folder_in_the_place_of_a_report_is_none(tmp_path: pathlib.Path) -> None:
    place = workspaces.place(tmp_path, "team", "run-x")
    (place.workspace / ".agent" / "status.json" / "x").mkdir(parents=True)

    assert place.report() is None
