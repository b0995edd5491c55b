"""Two tenants of one platform: one makes the worst objects that it may, one has runs as ever.

Shell: a real API server with the webhook server and the controller as processes. Each tenant is a
service account that may write the platform's kinds in its own namespace, and nothing else.
"""

import asyncio
import base64
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import resource
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from typing import Any, Final, Self

import crds
from controllers import devcluster, kube, manager
from controllers.devcluster import jobs
from controllers.runs import projections
from tests.support import processes
from webhooks.development import local_server

GROUP: Final = crds.api.group
OLD_RUNS: Final = kube.Resource(GROUP, "v1alpha1", "agentruns", "AgentRun")
ACCOUNTS: Final = kube.Resource("", "v1", "serviceaccounts", "ServiceAccount")
ROLES: Final = kube.Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
BINDINGS: Final = kube.Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
VERBS: Final = ["get", "list", "watch", "create", "update", "patch", "delete"]
KINDS: Final = sorted(name for kind in crds.api for name in (kind.plural, f"{kind.plural}/status"))
RESIDUE: Final = f"conversion.{GROUP}/v1beta1-residue"
SETTINGS: Final = """\
policy:
  labels: {denied: ["internal/*"]}
  images: {denied: ["*:latest"]}
  secrets: {denied: [root-password]}
"""
# Of every pod: conditions of loops are asked about the control file in it.
REPORT: Final = {"status": "succeeded", "exitCode": 0, "loopControl": {"left": 1}}
# What a tenant leaves lying about before it deletes the oldest.
MAX_LEFT: Final = 40
# An honest run, once a half second; a slot of a namespace is free again by then.
PAUSE_SECONDS: Final = 0.5
HARM_PAUSE_SECONDS: Final = 0.25
LAST_START_SECONDS: Final = 60.0
STARTED: Final = frozenset({"Running", "Succeeded"})

Draw = Callable[[random.Random], kube.JSON]
Harm = Callable[["Tenant", random.Random, str], Awaitable[None]]


@dataclasses.dataclass
class Tenant:
    """A client of one who may write the platform's kinds in one namespace."""

    client: kube.Client
    namespace: str

    async def make(self, resource: kube.Resource, name: str, **parts: Any) -> kube.JSON:
        """Create an object."""
        metadata = {"name": name, "namespace": self.namespace, **parts.pop("metadata", {})}
        named = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        return await self.client.create(resource, {**named, **parts})

    async def agent(self, name: str = "coder", **execs: Any) -> None:
        """Create an agent with a provider of its own."""
        adapter = {"type": "Exec", "exec": {"binary": "/bin/true", **execs}}
        spec = {"runner": {"command": "agent-runner"}, "adapter": adapter}
        await self.make(projections.PROVIDERS, f"{name}-provider", spec=spec)
        await self.make(
            projections.AGENTS, name, spec={"providerRef": {"name": f"{name}-provider"}}
        )


# ------------------------------------------------------------------------------ the worst objects


def run_spec(**spec: Any) -> dict[str, Any]:
    """The spec of a run in v1beta1."""
    return {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Mend it."}},
        "runtime": {"type": "Job"},
        **spec,
    }


def _old(residue: str, **spec: Any) -> Draw:
    """A run of v1alpha1 with residue that conversion never wrote."""

    def draw(_: random.Random) -> kube.JSON:
        parts = {**run_spec(runtime={"type": "job"}), **spec}
        return {"metadata": {"annotations": {RESIDUE: residue}}, "spec": parts}

    return draw


def _run(**spec: Any) -> Draw:
    return lambda _: {"spec": run_spec(**spec)}


def _loop(cel: str) -> dict[str, Any]:
    loop = {"maxIterations": 3, "while": {"cel": cel, "control": {"onMissing": "Stop"}}}
    steps = [{"name": "s", "loop": loop}]
    return {"type": "Workflow", "workflow": {"parallelism": 1, "steps": steps}}


def _deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def _forged() -> dict[str, Draw]:
    values: dict[str, Any] = {
        "priority": {"priority": "high"},
        "suspend": {"suspend": "no", "cancel": {"a": 1}},
        "idempotency": {"idempotencyKey": {"a": 1}},
        "retention": {"retention": 17},
        "unknown": {"hostPath": 17},
        "secrets": {"secretRefs": [{"name": "root-password"}]},
    }
    found = {
        f"forged {name}": _old(json.dumps([{"at": ["spec"], "was": {}, "is": value}]))
        for name, value in values.items()
    }
    pod = {"podTemplate": {"hostNetwork": True, "serviceAccountName": "root"}}
    entry = {"at": ["spec", "runtime"], "was": {}, "is": pod}
    found["forged pod"] = _old(json.dumps([entry]))
    entries = [{"at": ["spec", f"x{at}"], "was": {}, "is": {"y": "z" * 9}} for at in range(3000)]
    found["wide residue"] = _old(json.dumps(entries))
    packed = base64.b64encode(zlib.compress(b"[" + b" " * 100_000_000 + b"]")).decode()
    found["packed residue"] = _old("zlib+base64:" + packed)
    return found


def _objects() -> dict[str, tuple[kube.Resource, Draw]]:
    """Runs by what is bad about them."""
    secret = {"secretRef": {"name": "root-password"}}
    bomb = f"['{'a' * 1300}']" + ".map(x, x + x)" * 22 + ".size() > 0"
    endless = ".map(a, [1,2,3,4,5,6,7,8,9,10].map(b, a + b).size())" * 20
    payload = {"x": [secret] * 1600}
    custom = {"type": "Custom", "custom": {"endpoint": "https://e.invalid", "payload": payload}}
    labels = {f"internal/x{at}": "" for at in range(3000)}
    many = {f"p{at}": "x" * 2049 for at in range(1600)}
    unknown = {f"unknown{at}": {"a": [at]} for at in range(5000)}
    steps = [{"name": f"s{at}"} for at in range(100)]
    young: dict[str, Draw] = {
        "condition of gigabytes": _run(runtime=_loop(bomb)),
        "condition without end": _run(runtime=_loop(f"[1,2,3,4,5,6,7]{endless}.size() > 0")),
        "problems": _run(runtime=custom),
        "unknown fields": _run(**unknown),
        "labels": lambda _: {"metadata": {"labels": labels}, "spec": run_spec()},
        "wide lists": _run(runtime={"type": "Job", "extraConfig": {"x": [[]] * 300_000}}),
        "deep lists": _run(runtime={"type": "Job", "extraConfig": {"x": _deep(900)}}),
        "many steps": _run(
            runtime={"type": "Workflow", "workflow": {"parallelism": 50, "steps": steps}}
        ),
        "large text": _run(implementation={"inline": {"text": "t" * 120_000}}),
        "templates": _run(
            agentRef={"name": "bomber"}, parameters=[{"name": "large", "value": "x" * 2000}]
        ),
    }
    return {
        **{name: (OLD_RUNS, draw) for name, draw in _forged().items()},
        **{name: (projections.RUNS, draw) for name, draw in young.items()},
        "old problems": (OLD_RUNS, _old("[]", parameters=many)),
        "old labels": (
            OLD_RUNS,
            lambda _: {
                "metadata": {"labels": labels},
                "spec": run_spec(runtime={"type": "job"}),
            },
        ),
    }


OBJECTS: Final = _objects()


def _created(kind: str) -> Harm:
    resource, draw = OBJECTS[kind]

    async def create(tenant: Tenant, rng: random.Random, name: str) -> None:
        await tenant.make(resource, name, **draw(rng))

    return create


async def _lists(tenant: Tenant, _: random.Random, __: str) -> None:
    """All that lies about, in the other version."""
    await tenant.client.list(OLD_RUNS, namespace=tenant.namespace)


async def _forges_status(tenant: Tenant, rng: random.Random, _: str) -> None:
    """A run of its own says that it is somebody else's Job, at length."""
    found = await tenant.client.list(projections.RUNS, namespace=tenant.namespace, page_size=50)
    conditions = [
        {
            "type": f"T{at}",
            "status": "True",
            "reason": "x",
            "message": "m" * 200,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for at in range(rng.choice([1, 2000]))
    ]
    ref = {"type": "Job", "name": "payroll", "namespace": "kube-system", "uid": "u"}
    status = {"phase": "Running", "attempt": 3, "runtimeRef": ref, "conditions": conditions}
    for run in found.items[:5]:
        await tenant.client.patch(
            projections.RUNS,
            run["metadata"]["name"],
            {"status": status},
            namespace=tenant.namespace,
            subresource="status",
        )


async def _evades(tenant: Tenant, _: random.Random, name: str) -> None:
    """A run whose finalizers go before it does."""
    await tenant.make(projections.RUNS, name, spec=run_spec())
    change = {"metadata": {"finalizers": None}}
    await tenant.client.patch(projections.RUNS, name, change, namespace=tenant.namespace)
    await tenant.client.delete(projections.RUNS, name, namespace=tenant.namespace)


HARMS: Final[dict[str, Harm]] = {
    **{name: _created(name) for name in OBJECTS},
    "lists": _lists,
    "forged status": _forges_status,
    "evasion": _evades,
}


async def prepare_hostile(tenant: Tenant) -> None:
    """An agent as others have, and one whose templates multiply what they are given."""
    await tenant.agent()
    files = [{"path": f"/workspace/f{at}", "content": "{{inputs.large}}" * 700} for at in range(16)]
    with contextlib.suppress(kube.KubeError):
        await tenant.agent("bomber", files=files)


async def harm(
    tenant: Tenant,
    rng: random.Random,
    done: dict[str, dict[str, int]],
    *,
    names: Collection[str] = HARMS,
) -> None:
    """Do harm, one thing after the other in a drawn order, until cancelled."""
    numbers = itertools.count()
    prefix = f"h{rng.randrange(10**6)}"
    while True:
        for name in rng.sample(sorted(names), len(names)):
            began = time.monotonic()
            answer = await _answer(HARMS[name](tenant, rng, f"{prefix}-{next(numbers)}"))
            answers = done.setdefault(name, {})
            answers[answer] = answers.get(answer, 0) + 1
            # Objects are what is tried here; how many calls one may make is the API server's to
            # say (priority and fairness): this one waits as long as it kept others waiting.
            await asyncio.sleep(max(HARM_PAUSE_SECONDS, time.monotonic() - began))
        await _tidy(tenant)


async def _answer(doing: Awaitable[None]) -> str:
    """How a harm was answered."""
    try:
        async with asyncio.timeout(60):
            await doing
    except kube.ApiError as error:
        return str(error.code)
    except (kube.KubeError, TimeoutError) as error:
        return type(error).__name__
    return "taken"


async def _tidy(tenant: Tenant) -> None:
    with contextlib.suppress(kube.KubeError):
        found = await tenant.client.list(projections.RUNS, namespace=tenant.namespace)
        runs = sorted(found.items, key=lambda run: str(run["metadata"]["creationTimestamp"]))
        for run in runs[: max(0, len(runs) - MAX_LEFT)]:
            name = run["metadata"]["name"]
            await tenant.client.delete(projections.RUNS, name, namespace=tenant.namespace)


# -------------------------------------------------------------------------------- the honest one


@dataclasses.dataclass
class Served:
    """How an honest tenant was served, in seconds.

    Attributes:
        creates: Of each call that created a run.
        starts: From then until the run had started.
        wrong: What went otherwise than it should.
    """

    creates: list[float] = dataclasses.field(default_factory=list)
    starts: list[float] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)


def quantile(values: list[float], share: float) -> float:
    """The value that a share of all does not exceed; infinite if there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


async def serve_honest(tenant: Tenant, prefix: str, seconds: float) -> Served:
    """Create a run now and then, and see each start and succeed."""
    served, begun = Served(), dict[str, float]()
    started: dict[str, float] = {}
    listing = await tenant.client.list(projections.RUNS, namespace=tenant.namespace)
    watching = asyncio.create_task(_watch(tenant, listing.resource_version, started, served))
    try:
        end = time.monotonic() + seconds
        for number in itertools.count():
            now = time.monotonic()
            if now >= end:
                break
            name = f"{prefix}-{number}"
            begun[name] = now
            try:
                await tenant.make(projections.RUNS, name, spec=run_spec())
            except kube.KubeError as error:
                served.wrong.append(f"create of {name}: {error}"[:300])
                del begun[name]
            served.creates.append(time.monotonic() - now)
            await asyncio.sleep(max(0.0, now + PAUSE_SECONDS - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_START_SECONDS):
                while begun.keys() - started.keys():  # noqa: ASYNC110 - the watch is a task
                    await asyncio.sleep(0.1)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    served.starts = [at - begun[name] for name, at in started.items() if name in begun]
    served.wrong += [f"{name} never started" for name in sorted(begun.keys() - started.keys())]
    await _forget(tenant, begun)
    return served


async def _watch(tenant: Tenant, version: str, started: dict[str, float], served: Served) -> None:
    """Note when runs start, and those that fail."""
    while True:
        with contextlib.suppress(kube.KubeError):
            watch = tenant.client.watch(
                projections.RUNS, namespace=tenant.namespace, resource_version=version
            )
            async with contextlib.aclosing(watch):
                async for event in watch:
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type == "BOOKMARK":
                        continue
                    name = event.object["metadata"]["name"]
                    status: kube.JSON = event.object.get("status") or {}
                    if status.get("phase") in STARTED:
                        started.setdefault(name, time.monotonic())
                    if status.get("phase") in {"Failed", "Cancelled"}:
                        served.wrong.append(f"{name} is {status['phase']}: {status.get('reason')}")


async def _forget(tenant: Tenant, names: dict[str, float]) -> None:
    for name in names:
        with contextlib.suppress(kube.KubeError):
            await tenant.client.delete(projections.RUNS, name, namespace=tenant.namespace)


# -------------------------------------------------------------------------------------- the SLOs

# The platform's: a run is submitted within 2 s, and its delay until it is reconciled is below 10 s,
# at p95; here at p99.
MAX_CREATE_SECONDS: Final = 2.0
MAX_START_SECONDS: Final = 10.0
# What the other tenant may add at p99 to the quiet phase of the same run.
MAX_ADDED_CREATE_SECONDS: Final = 1.0
MAX_ADDED_START_SECONDS: Final = 5.0
MAX_RESIDENT_BYTES: Final = 300 * 1024**2


PHASES: Final = ("quiet", "harmed")


def _phases() -> dict[str, list[float]]:
    return {phase: [] for phase in PHASES}


@dataclasses.dataclass
class Outcome:
    """What came of all rounds, in seconds.

    Attributes:
        creates: Of calls that created an honest run, in quiet and beside harm.
        starts: From then until the run had started, likewise.
        done: How often each harm was done, by how it was answered.
        wrong: What went otherwise than it should.
        resident_bytes: The most that a process of ours had.
    """

    creates: dict[str, list[float]] = dataclasses.field(default_factory=_phases)
    starts: dict[str, list[float]] = dataclasses.field(default_factory=_phases)
    done: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)
    resident_bytes: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` made of one."""
        return cls(**kept)

    def add(self, phase: str, served: Served) -> None:
        """Add a phase."""
        self.creates[phase] += served.creates
        self.starts[phase] += served.starts
        self.wrong += [f"{phase}: {each}" for each in served.wrong]

    def missing(self) -> list[str]:
        """Harms that were never done."""
        return sorted({*HARMS} - {*self.done})

    def short(self) -> list[str]:
        """The SLOs that were not kept."""
        found = [f"{len(self.wrong)} wrong"] if self.wrong else []
        for name, values, most, added in (
            ("creates", self.creates, MAX_CREATE_SECONDS, MAX_ADDED_CREATE_SECONDS),
            ("starts", self.starts, MAX_START_SECONDS, MAX_ADDED_START_SECONDS),
        ):
            quiet, harmed = (quantile(values[phase], 0.99) for phase in PHASES)
            if harmed > min(most, quiet + added):
                limit = f"{most:g} s, and quiet and {added:g} s"
                found.append(f"p99 of {name} {harmed:.2f} s, expected at most {limit}")
        return found + [
            f"{name} took {size / 1024**2:.0f} MiB, expected at most 300"
            for name, size in self.resident_bytes.items()
            if size > MAX_RESIDENT_BYTES
        ]

    def lines(self) -> Iterator[str]:
        """All of it for people."""
        for name, answers in sorted(self.done.items()):
            told = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
            yield f"{name}: {told}"
        for phase in PHASES:
            creates, starts = self.creates[phase], self.starts[phase]
            yield (
                f"{phase}: {len(creates)} creates, p50 {quantile(creates, 0.5):.3f} s, "
                f"p99 {quantile(creates, 0.99):.3f} s; {len(starts)} starts, "
                f"p50 {quantile(starts, 0.5):.2f} s, p99 {quantile(starts, 0.99):.2f} s"
            )
        for name, size in sorted(self.resident_bytes.items()):
            yield f"{name}: at most {size / 1024**2:.0f} MiB"


async def round_of(
    stage: "Stage",
    found: Outcome,
    rng: random.Random,
    *,
    quiet_seconds: float,
    harm_seconds: float,
    names: Collection[str] = HARMS,
) -> None:
    """A quiet phase, and one beside the hostile tenant; the same replica leads all the while."""
    leader = await stage.leader()
    prefix = f"r{rng.randrange(10**6)}"
    found.add("quiet", await serve_honest(stage.honest, f"{prefix}-q", quiet_seconds))
    harming = asyncio.create_task(harm(stage.hostile, rng, found.done, names=names))
    measuring = asyncio.create_task(_measure(stage, found))
    try:
        found.add("harmed", await serve_honest(stage.honest, f"{prefix}-h", harm_seconds))
    finally:
        for task in (harming, measuring):
            task.cancel()
        ended = await asyncio.gather(harming, measuring, return_exceptions=True)
    found.wrong += [f"harming ended: {each!r}" for each in ended if not _is_cancelled(each)]
    if await stage.leader() != leader:
        found.wrong.append(f"{leader} led before, {await stage.leader()} does now")


def _is_cancelled(ended: object) -> bool:
    return isinstance(ended, asyncio.CancelledError)


async def _measure(stage: "Stage", found: Outcome) -> None:
    """Note the most memory of our processes."""
    while True:
        for name, pid in stage.processes():
            found.resident_bytes[name] = max(_resident(pid), found.resident_bytes.get(name, 0))
        await asyncio.sleep(0.25)


def _resident(pid: int) -> int:
    """Of a process in bytes; none of one that has ended."""
    with contextlib.suppress(OSError):
        pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()
    return 0


# ---------------------------------------------------------------------------------- the platform


@dataclasses.dataclass
class Stage:
    """A platform with two tenants, and the processes that are to survive them."""

    admin: kube.Client
    home: str
    honest: Tenant
    hostile: Tenant
    logs: pathlib.Path

    def processes(self) -> Iterator[tuple[str, int]]:
        """Those of ours that are children of this one, and their workers."""
        for pid in processes.children_of(os.getpid()):
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"controllers.agentctl" in command:
                yield "controller", pid
            elif b"webhooks" in command:
                yield from (("worker", worker) for worker in processes.children_of(pid))

    async def leader(self) -> tuple[str, int]:
        """Who leads, and how many led before."""
        lease = await self.admin.get(kube.LEASES, manager.LEASE, namespace=self.home)
        return lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]


@contextlib.asynccontextmanager
async def platform(
    cluster: devcluster.Cluster, folder: pathlib.Path, *, is_served: bool = False
) -> AsyncIterator[Stage]:
    """All features on, in a cluster in which Jobs run.

    Args:
        cluster: The cluster.
        folder: For logs, settings and the archive.
        is_served: Whether a webhook server is there already.
    """
    settings = folder / "settings.yaml"
    settings.write_text(SETTINGS)
    options = ("--settings", str(settings), "--audit-log", str(folder / "audit.jsonl"))
    with contextlib.ExitStack() as stack:
        if not is_served:
            stack.enter_context(
                local_server.webhook_server(cluster, "crds:api", folder / "webhooks", *options)
            )
        async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as admin:
            home = f"home-{random.randrange(10**9)}"  # noqa: S311 - a name
            await _namespace(admin, home)
            with _controller(cluster, folder, home, settings):
                async with (
                    _tenant(admin, cluster, folder, "hostile") as hostile,
                    _tenant(admin, cluster, folder, "honest") as honest,
                ):
                    await honest.agent()
                    await prepare_hostile(hostile)
                    yield Stage(admin, home, honest, hostile, folder)


def _controller(
    cluster: devcluster.Cluster, folder: pathlib.Path, home: str, settings: pathlib.Path
) -> Any:
    command = [
        *(
            "controllers.agentctl",
            "controller",
            "--home",
            home,
            "--image",
            "registry.test/runner:1",
        ),
        *("--kubeconfig", str(cluster.admin_kubeconfig), "--settings", str(settings)),
        *("--archive", str(folder / "archive")),
    ]
    return local_server.program(command, folder / "controller.log", "following ")


async def _namespace(admin: kube.Client, name: str, **annotations: str) -> None:
    metadata = {"name": name, "annotations": annotations}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    await admin.create(kube.NAMESPACES, body)


@contextlib.asynccontextmanager
async def _tenant(
    admin: kube.Client, cluster: devcluster.Cluster, folder: pathlib.Path, name: str
) -> AsyncIterator[Tenant]:
    """A namespace, and a service account that may write the platform's kinds in it."""
    namespace = f"{name}-{random.randrange(10**9)}"  # noqa: S311 - a name
    behaviour = {"seconds": "0.2", "message": json.dumps(REPORT)}
    annotations = {f"{jobs.ANNOTATIONS}{word}": value for word, value in behaviour.items()}
    await _namespace(admin, namespace, **annotations)
    place = {"name": "tenant", "namespace": namespace}
    rules = [{"apiGroups": [GROUP], "resources": KINDS, "verbs": VERBS}]
    subjects = [{"kind": "ServiceAccount", **place}]
    ref = {"apiGroup": ROLES.group, "kind": "Role", "name": "tenant"}
    for kind, parts in (
        (ACCOUNTS, {}),
        (ROLES, {"rules": rules}),
        (BINDINGS, {"roleRef": ref, "subjects": subjects}),
    ):
        named = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": place}
        await admin.create(kind, {**named, **parts})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = await admin.create(
        ACCOUNTS, request, name="tenant", namespace=namespace, subresource="token"
    )
    kubeconfig = folder / f"{namespace}.kubeconfig"
    kubeconfig.write_text(_with_token(cluster.admin_kubeconfig, token["status"]["token"]))
    # A hostile one's objects are warned about, at length.
    async with kube.Client.from_kubeconfig(kubeconfig, on_warning=lambda _: None) as client:
        yield Tenant(client, namespace)


def _with_token(admin: pathlib.Path, token: str) -> str:
    """The admin's kubeconfig with a token for its certificate; JSON is YAML too."""
    found = json.loads(admin.read_text())
    found["users"] = [{"name": user["name"], "user": {"token": token}} for user in found["users"]]
    return json.dumps(found)
