"""Retention on a real API server: what is deleted is archived, and nothing else is deleted."""

import asyncio
import contextlib
import datetime as dt
import json
import logging
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from controllers import kube
from controllers.agentctl.chart import rights as matrix
from controllers.kube import JSON
from controllers.runs import naming, projections
from controllers.runs.retention import retention_controller, retention_policy
from controllers.runs.retention.archive import Archive, Archived, ArchiveError, FileArchive
from controllers.runs.retention.retention_controller import Report, RetentionController
from controllers.runs.retention.retention_policy import Limits
from tests.e2e.conftest import Platform
from tests.support import accounts, manifests

pytestmark = pytest.mark.e2e

NOW = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
FOREVER = {"keepForever": True}
FOREIGN = "example.dev/mine"


class Faulty(kube.Client):
    """A client that lets a test act, or fail, before a call."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.before_get: Callable[[str], Awaitable[None]] = _nothing
        self.before_delete: Callable[[str], Awaitable[None]] = _nothing
        self.before_body: Callable[[str], Awaitable[None]] = _nothing

    async def get(self, resource: kube.Resource, name: str, **options: Any) -> JSON:
        await self.before_get(name)
        return await super().get(resource, name, **options)

    async def delete(self, resource: kube.Resource, name: str, **options: Any) -> JSON:
        await self.before_delete(name)
        return await super().delete(resource, name, **options)

    async def body(self, request: kube.Request, **options: Any) -> bytes:
        await self.before_body(request.target)
        return await super().body(request, **options)


async def _nothing(_: str) -> None:
    pass


class Runs:
    """Runs in the test's namespace, and what retention makes of them."""

    def __init__(self, platform: Platform, client: Faulty, directory: pathlib.Path) -> None:
        self.platform, self.client, self.directory = platform, client, directory
        self.made: dict[str, JSON] = {}

    async def make(
        self,
        name: str,
        days: float = 40,
        *,
        phase: str = "Succeeded",
        finalizers: Sequence[str] = (),
        **spec: Any,
    ) -> JSON:
        """A run that ended some days ago."""
        value = manifests.run("v1beta1", name, **spec)
        value["metadata"]["finalizers"] = [*finalizers]
        namespace = self.platform.namespace
        await self.platform.client.create(projections.RUNS, value, namespace=namespace)
        if phase:
            ended = f"{NOW - dt.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
            status = {"phase": phase, "completionTime": ended}
            await self.platform.client.patch(
                projections.RUNS,
                name,
                {"status": status},
                namespace=namespace,
                subresource="status",
            )
        found = await self.platform.client.get(projections.RUNS, name, namespace=namespace)
        self.made[name] = found
        return found

    async def make_all(self, given: dict[str, dict[str, Any]]) -> None:
        names = iter(given)

        async def worker() -> None:
            for name in names:
                await self.make(name, **given[name])

        await asyncio.gather(*(worker() for _ in range(16)))

    async def change(self, name: str, changes: JSON) -> None:
        namespace = self.platform.namespace
        await self.platform.client.patch(projections.RUNS, name, changes, namespace=namespace)

    async def names(self) -> set[str]:
        """The runs that are there."""
        found = await self.platform.client.list(projections.RUNS, namespace=self.platform.namespace)
        return {one["metadata"]["name"] for one in found.items}

    def archive(self) -> FileArchive:
        return FileArchive(self.directory, now=lambda: NOW)

    def archived(self) -> dict[str, Archived]:
        if not self.directory.exists():
            return {}
        told = [*self.archive().query()]
        by_name = {str(one.run["metadata"]["name"]): one for one in told}
        assert len(told) == len(by_name)
        return by_name

    def retainer(
        self,
        archive: Archive | None = None,
        limits: Limits | None = None,
        **options: Any,
    ) -> RetentionController:
        options = {"no_archive": False, "now": lambda: NOW, **options}
        namespace = self.platform.namespace
        return RetentionController(self.client, archive, limits, namespace=namespace, **options)

    async def round(self, limits: Limits | None = None) -> Report:
        return await self.retainer(self.archive(), limits).round()

    async def check(self) -> set[str]:
        """The runs that are there; all that went are in the archive."""
        there = await self.names()
        assert self.made.keys() - there <= self.archived().keys()
        return there


@pytest.fixture
async def runs(platform: Platform, tmp_path: pathlib.Path) -> AsyncIterator[Runs]:
    home, directory = f"{platform.namespace}-home", platform.cluster.directory
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}
    await platform.client.create(kube.NAMESPACES, body)
    token = await accounts.token(
        platform.client,
        matrix.CONTROLLER,
        home=home,
        objects=platform.namespace,
        conditions=[matrix.RETENTION],
    )
    kubeconfig = directory / f"{home}.kubeconfig"
    kubeconfig.write_text(accounts.kubeconfig(platform.cluster, token))
    async with Faulty.from_kubeconfig(kubeconfig) as client:
        made = Runs(platform, client, tmp_path / "archive")
        yield made
        # What is held would hold the deletion of its CRD as well.
        for name in await made.names():
            if made.made.get(name, {}).get("metadata", {}).get("finalizers"):
                await made.change(name, {"metadata": {"finalizers": None}})


# ---------------------------------------------------------------------------- what is deleted


async def test_of_300_runs_just_those_go_whose_time_is_up(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_controller, "PAGE_SIZE", 20)
    phases = ("Succeeded", "Failed", "Cancelled")
    due = {f"old-{at}": {"days": 30 + at, "phase": phases[at % 3]} for at in range(60)}
    due |= {f"ttl-{at}": {"days": 2, "retention": {"ttl": "36h"}} for at in range(60)}
    stay: dict[str, dict[str, Any]] = {f"young-{at}": {"days": 29} for at in range(60)}
    stay |= {f"long-{at}": {"days": 40, "retention": {"ttl": "961h"}} for at in range(30)}
    stay |= {f"ever-{at}": {"days": 400, "retention": FOREVER} for at in range(30)}
    stay |= {f"template-{at}": {"days": 400, "purpose": "Template"} for at in range(30)}
    stay |= {f"running-{at}": {"days": 400, "phase": "Running"} for at in range(20)}
    stay |= {f"new-{at}": {"phase": ""} for at in range(10)}
    await runs.make_all(due | stay)

    first = await runs.round()
    after_first = await runs.check()
    second = await runs.round()
    third = await runs.round()

    assert Report(deleted=100, archived=100, kept=170, left=20) == first
    assert stay.keys() <= after_first
    assert Report(deleted=20, archived=20, kept=150) == second
    assert Report(kept=150) == third
    assert stay.keys() == await runs.names()
    archived = runs.archived()
    assert due.keys() == archived.keys()
    for name, one in archived.items():
        whole = runs.made[name]
        del whole["metadata"]["managedFields"]
        assert whole == one.run


async def test_too_many_go_the_oldest_first(runs: Runs) -> None:
    await runs.make_all({f"r{days}": {"days": days} for days in range(1, 9)})
    await runs.make("kept", 20, retention=FOREVER)

    report = await runs.round(Limits(namespace_count=6))

    assert Report(deleted=3, archived=3, kept=6) == report
    assert {"r1", "r2", "r3", "r4", "r5", "kept"} == await runs.check()


async def test_too_big_ones_go_by_the_size_of_their_json(runs: Runs) -> None:
    text = "x" * 50_000
    for days in (1, 2, 3):
        await runs.make(f"r{days}", days, implementation={"inline": {"text": text}})
    await runs.make("small", 9)

    await runs.round(Limits(size_bytes=120_000))

    assert {"r1", "r2"} == await runs.check()


async def test_run_of_the_same_name_is_another(runs: Runs) -> None:
    await runs.make("again", 50)
    await runs.round()
    await runs.make("again", 45)

    await runs.round()

    told = [one.run["metadata"]["uid"] for one in runs.archive().query(name="again")]
    assert 2 == len({*told})


# -------------------------------------------------------------------------------- what changes


async def test_run_that_is_to_be_kept_by_now_stays(runs: Runs) -> None:
    await runs.make("kept")
    await runs.make("gone")

    async def keep(name: str) -> None:
        if name == "kept":
            await runs.change(name, {"spec": {"retention": FOREVER}})

    runs.client.before_get = keep

    report = await runs.round()

    assert Report(deleted=1, archived=1, kept=1, changed=1) == report
    assert {"kept"} == await runs.check()
    assert {"gone"} == runs.archived().keys()


async def test_run_that_changes_after_it_was_archived_stays(runs: Runs) -> None:
    await runs.make("kept")
    await runs.make("gone")

    async def keep(name: str) -> None:
        if name == "kept":
            await runs.change(name, {"spec": {"retention": FOREVER}})

    runs.client.before_delete = keep

    report = await runs.round()

    assert Report(deleted=1, archived=2, kept=1, changed=1) == report
    assert {"kept"} == await runs.check()


async def test_run_that_somebody_replaced_stays(runs: Runs) -> None:
    await runs.make("one")

    async def replace(name: str) -> None:
        namespace = runs.platform.namespace
        await runs.platform.client.delete(projections.RUNS, name, namespace=namespace)
        await runs.make(name, 1)

    runs.client.before_get = replace

    report = await runs.round()

    assert (0, 1) == (report.deleted, report.changed)
    assert {"one"} == await runs.names()


async def test_run_that_somebody_deleted_is_no_trouble(runs: Runs) -> None:
    await runs.make("one")
    await runs.make("two")

    async def delete(name: str) -> None:
        if name == "one":
            namespace = runs.platform.namespace
            await runs.platform.client.delete(projections.RUNS, name, namespace=namespace)

    runs.client.before_get = delete

    assert Report(deleted=1, archived=1) == await runs.round()


# ------------------------------------------------------------------------------ crashes, troubles


class CrashError(Exception):
    """The process ends here, as far as the test is concerned."""


class Crashing:
    """An archive that ends the process before or after it has kept runs."""

    def __init__(self, kept: FileArchive, *, is_before: bool) -> None:
        self.kept, self.is_before = kept, is_before

    def append(self, runs: Sequence[JSON]) -> None:
        if not self.is_before:
            self.kept.append(runs)
        raise CrashError

    def query(self, **filters: Any) -> Iterator[Archived]:
        return self.kept.query(**filters)

    def trim(self) -> int:
        return 0


async def test_crash_before_and_after_archiving_loses_nothing(runs: Runs) -> None:
    await runs.make_all({f"r{at}": {} for at in range(5)})

    for is_before in (True, False):
        crashing = Crashing(runs.archive(), is_before=is_before)
        with pytest.raises(CrashError):
            await runs.retainer(crashing).round()
        assert runs.made.keys() == await runs.check()
    report = await runs.round()

    assert Report(deleted=5, archived=5) == report
    assert set() == await runs.check()


async def test_crash_amid_deletions_loses_nothing(runs: Runs) -> None:
    await runs.make_all({f"r{at}": {"days": 40 + at} for at in range(120)})
    deletions = 0

    async def crash(_: str) -> None:
        nonlocal deletions
        deletions += 1
        if deletions > 10:
            raise CrashError

    for _ in range(3):
        deletions = 0
        runs.client.before_delete = crash
        with pytest.raises(CrashError):
            await runs.round()
        await runs.check()
    runs.client.before_delete = _nothing
    while (await runs.round()).left:
        await runs.check()

    assert set() == await runs.check()
    assert runs.made.keys() == runs.archived().keys()


class Full:
    """An archive whose disk is full."""

    def append(self, _: Sequence[JSON]) -> None:
        raise ArchiveError("no space left")

    def query(self, **_: Any) -> Iterator[Archived]:
        yield from ()

    def trim(self) -> int:
        return 0


async def test_nothing_is_deleted_while_the_archive_fails(
    runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    await runs.make_all({f"r{at}": {} for at in range(60)})

    report = await runs.retainer(Full()).round()

    assert Report(kept=60, problem="no space left") == report
    assert runs.made.keys() == await runs.names()
    assert 1 == len([one for one in caplog.records if one.levelno == logging.ERROR])
    assert Report(deleted=60, archived=60) == await runs.round()


async def test_without_an_archive_runs_are_deleted_only_if_that_is_said(runs: Runs) -> None:
    await runs.make("one")

    refused = await runs.retainer(None).round()
    there = await runs.names()
    allowed = await runs.retainer(None, no_archive=True).round()

    assert "--no-archive" in refused.problem
    assert {"one"} == there
    assert Report(deleted=1) == allowed
    assert set() == await runs.names()


@pytest.mark.parametrize("call", ["before_get", "before_delete"])
async def test_trouble_with_one_run_does_not_stop_the_others(
    runs: Runs, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_policy, "MAX_BATCH_RUNS", 1)
    await runs.make_all({f"r{at}": {} for at in range(5)})

    async def fail(name: str) -> None:
        if name == "r2":
            raise kube.DeadlineExceededError("no answer")

    setattr(runs.client, call, fail)
    report = await runs.round()

    assert (4, 1, 1) == (report.deleted, report.failed, report.kept)
    assert {"r2"} == await runs.check()


@pytest.mark.parametrize("call", ["before_get", "before_delete"])
async def test_round_ends_when_the_api_server_went_away(runs: Runs, call: str) -> None:
    await runs.make_all({f"r{at}": {} for at in range(60)})
    calls = 0

    async def fail(_: str) -> None:
        nonlocal calls
        calls += 1
        raise kube.DeadlineExceededError("no answer")

    setattr(runs.client, call, fail)
    with pytest.raises(kube.UnreachableError):
        await runs.round()

    assert 50 == calls
    assert runs.made.keys() == await runs.names()


async def test_pages_that_are_too_big_are_asked_for_in_parts(runs: Runs) -> None:
    await runs.make_all({f"r{at}": {} for at in range(12)})
    asked = []

    async def refuse(target: str) -> None:
        asked.append(target)
        if "limit=50" in target:
            raise kube.AnswerError("expected at most 256 MiB")

    runs.client.before_body = refuse
    report = await runs.round()

    assert 12 == report.deleted
    assert any("continue=" in target for target in asked)


async def test_run_that_is_nested_too_deeply_does_not_stop_the_others(runs: Runs) -> None:
    value = manifests.run("v1beta1", "r5")
    value["spec"]["runtime"]["extraConfig"] = {"a": 0}
    nested = b"[" * 980 + b"]" * 980
    body = json.dumps(value).encode().replace(b'{"a": 0}', b'{"a": ' + nested + b"}")
    path = projections.RUNS.path(runs.platform.namespace)
    await runs.platform.client.body(kube.Request("POST", path, (), "application/json", body))
    await runs.make_all({f"r{at}": {} for at in range(10) if at != 5})
    status = {"status": {"phase": "Failed", "completionTime": "2026-01-01T00:00:00Z"}}
    request = kube.Request(
        "PATCH",
        f"{path}/r5/status",
        (),
        "application/merge-patch+json",
        json.dumps(status).encode(),
    )
    await runs.platform.client.body(request)
    await runs.change("r6", {"spec": {"retention": FOREVER}})

    report = await runs.round()

    assert 8 <= report.deleted
    # Newer Pythons can read it.
    assert await runs.check() <= {"r5", "r6"}


# ---------------------------------------------------------------------- finalizers and leftovers


async def test_finalizers_of_ours_do_not_hold_a_run_that_has_ended(runs: Runs) -> None:
    await runs.make("ours", finalizers=[naming.FINALIZER, f"{naming.GROUP}/runtime-cleanup"])
    await runs.make("users", 1, finalizers=[f"{naming.GROUP}/runtime-cleanup"])
    namespace = runs.platform.namespace
    await runs.platform.client.delete(projections.RUNS, "users", namespace=namespace)

    report = await runs.round()

    assert 1 == report.deleted
    assert set() == await runs.names()


async def test_run_that_another_holds_is_archived_and_deleted_once(runs: Runs) -> None:
    await runs.make("held", finalizers=[FOREIGN, naming.FINALIZER])

    first, second = await runs.round(), await runs.round()

    namespace = runs.platform.namespace
    left = await runs.platform.client.get(projections.RUNS, "held", namespace=namespace)
    assert Report(deleted=1, archived=1) == first
    assert Report() == second
    assert [FOREIGN] == left["metadata"]["finalizers"]


async def test_config_maps_of_runs_that_ended_long_ago_go(runs: Runs) -> None:
    old = await runs.make("old", 8)
    ever = await runs.make("ever", 400, retention=FOREVER)
    young = await runs.make("young", 6)
    live = await runs.make("live", phase="")

    async def config_map(name: str, run: JSON, **metadata: Any) -> None:
        uid = run["metadata"]["uid"]
        owner = {
            "apiVersion": projections.RUNS.api_version,
            "kind": projections.RUNS.kind,
            "name": run["metadata"]["name"],
            "uid": uid,
            "controller": True,
        }
        labels = {naming.RUN_LABEL: uid}
        metadata = {"name": name, "labels": labels, "ownerReferences": [owner], **metadata}
        namespace = runs.platform.namespace
        await runs.platform.client.create(
            kube.CONFIG_MAPS, {"metadata": metadata}, namespace=namespace
        )

    for run in (old, ever, young, live):
        await config_map(f"run-{run['metadata']['name']}", run)
    await config_map("notes", old, ownerReferences=[])

    report = await runs.round()

    found = await runs.platform.client.list(
        kube.CONFIG_MAPS, namespace=runs.platform.namespace, labels=naming.RUN_LABEL
    )
    assert 2 == report.swept
    assert {"run-young", "run-live", "notes"} == {one["metadata"]["name"] for one in found.items}
    assert runs.made.keys() == await runs.names()


# --------------------------------------------------------------------------------- round by round


async def test_rounds_follow_each_other(runs: Runs) -> None:
    await runs.make_all({f"r{at}": {} for at in range(3)})
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            runs.client.before_body = fail
        elif len(pauses) == 3:
            runs.client.before_body = _nothing
        elif len(pauses) == 5:
            raise asyncio.CancelledError

    async def fail(_: str) -> None:
        raise kube.UnreachableError("gone")

    limits = Limits(per_round=2)
    keeper = runs.retainer(runs.archive(), limits, sleep=sleep, rng=lambda: 0.0)
    with contextlib.suppress(asyncio.CancelledError):
        await keeper.run()

    # After the start, with one left, after a failure, with nothing left.
    assert [60, 60, 300, 3600, 3600] == pauses
    assert set() == await runs.check()
