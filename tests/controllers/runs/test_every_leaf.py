"""Each field of a spec is read by named code, rejected, or listed as unread.

A reader is called with two objects that differ only in the field, and must return different
results.
"""

import asyncio
import copy
import dataclasses
import datetime as dt
import fnmatch
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

import msgspec
import pytest

import crds
from controllers import kube
from controllers.readiness import kinds, references
from controllers.readiness.memory import health, probe
from controllers.runner import artifacts, spec
from controllers.runner.adapters import codex_adapter, exec_adapter
from controllers.runs import projections
from controllers.runs.planner import observation, planner
from controllers.runs.references import idempotency_claims
from controllers.runs.retention import retention_policy
from controllers.runs.runtimes import custom, reports, temporal
from controllers.runs.runtimes.jobs import job_objects
from controllers.runs.runtimes.workflow import loops, workflow_steps
from controllers.runs.runtimes.workflow.workflow import WorkflowRuntime
from controllers.runs.slots import candidates
from controllers.runs.work import related_objects, work
from controllers.sources import issues, mapping, replay, source_view
from controllers.sources.api_constants import Provider
from controllers.sources.issues import Observation
from crds.admission import agentrun, settings
from schemagen import Facts, Kind, checking
from schemagen.versions.converter import Converter
from tests.support import leaves, run_world
from tests.support.step_runtime import StepRuntime

JSON: TypeAlias = Any
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in crds.api}
# What nobody reads yet: «The platform acts by itself» (#23) empties this list.
UNREAD: Mapping[str, tuple[str, ...]] = {
    "AgentRun": (
        "spec.vcs.required",
        "spec.implementation.inline.vcsRef.name",
        "spec.runtime.workflow.steps.implementation.inline.vcsRef.name",
    ),
    "Memory": ("spec.retention.*",),
    "VersionControlProvider": (
        *("spec.auth.username", "spec.auth.token.type", "spec.auth.app.appId"),
        *("spec.auth.app.installationId", "spec.auth.app.tokenTTL"),
        *("spec.clone.ssh.*", "spec.capabilities.*", "spec.defaults.*", "spec.endpoints.*"),
        *("spec.provider", "spec.repositoryPolicy.*"),
    ),
}
# Nothing is kept from being read by a policy that refuses it before.
OPERATOR = settings.read(
    {
        "pods": {"image": "runner", "runAsNonRoot": False},
        "policy": {
            topic: {"allowed": ["*"]}
            for topic in (
                *("schedulers", "sysctls", "seccompProfiles", "seLinuxOptions", "tolerations"),
                *("annotations", "tokenAudiences", "priorityClasses", "nodeSelectors"),
            )
        },
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """Objects that refer to each other; one of them has the field."""

    objects: Mapping[str, JSON]

    @property
    def run(self) -> JSON:
        """The AgentRun."""
        return self.objects["AgentRun"]

    @property
    def view(self) -> projections.Run:
        """The controller's cached projection."""
        return projections.of(projections.Run, self.run)

    def prepared(self) -> work.Inputs:
        """The prepared inputs."""
        task = self.objects["ImplementationSpec"]
        related = related_objects.Related(
            agent=self.objects["Agent"],
            provider=self.objects["AgentProvider"],
            implementations=dict.fromkeys(related_objects.implementation_names(self.run), task),
            memory=self.objects["Memory"],
        )
        return work.prepare(self.run, related, 1, OPERATOR)

    def ready(self) -> work.Ready:
        """The prepared inputs of a run that can start."""
        found = self.prepared()
        assert isinstance(found, work.Ready), found
        return found


# ------------------------------------------------------------------------------------ the readers


def inputs(world: World) -> JSON:
    """The values for templates, or why the run cannot start."""
    found = world.prepared()
    if not isinstance(found, work.Ready):
        return repr(found)
    pieces = [*found.work.steps, found.work]
    without = [{**one.run_json, "implementation": None, "prompt": None} for one in pieces]
    return [without, [one.runner_json for one in pieces], found.required]


def pods(world: World) -> JSON:
    """Jobs and ConfigMaps, or why there are none."""
    found = world.prepared()
    if not isinstance(found, work.Ready):
        return repr(found)
    pieces = found.work.steps or (found.work,)
    return [
        [job_objects.job("uid-1/1", one), job_objects.config_map("uid-1/1", one)] for one in pieces
    ]


def runner(world: World) -> JSON:
    """The agent-runner's parsed spec."""
    piece = world.ready().work
    stated = spec.decode(msgspec.json.encode(piece.runner_json), "agent-runner.json")
    run = spec.decode_run(msgspec.json.encode(piece.run_json), "run.json")
    codex = stated.adapter.codex
    aim = spec.goal(run.goal, stated.goal, codex.goal if codex else None)
    names = spec.names(stated, aim, status_path="/s", log_path="/l", event_path="/e")
    if codex is None:
        declared = artifacts.rendered(spec.artifacts(stated), names)
        return [names, exec_adapter.plan(spec.command(stated), names), declared]
    wanted = codex_adapter.settings(codex, run, aim, names=names, system_prompt=None, cwd="/w")
    directory = codex.cwd, codex.bootstrap_timeout_ms
    return [names, wanted, codex_adapter.command(codex, names), directory]


def steps(world: World) -> JSON:
    """The parsed steps of the workflow."""
    return workflow_steps.read(world.run["spec"]["runtime"]["workflow"]["steps"])


def iterations(world: World) -> JSON:
    """Whether a step's loop continues, for several control files."""
    (step,) = world.run["spec"]["runtime"]["workflow"]["steps"]
    controls = (
        reports.Control({"go": 1}),
        reports.Control(None),
        reports.Control(problem="no JSON"),
    )
    return [_goes_on(step["loop"], at, one) for at in (0, 1) for one in controls]


def _goes_on(loop: JSON, completed: int, control: reports.Control) -> str:
    try:
        return repr(loops.should_continue(loop, completed, control, {}))
    except (loops.UnansweredError, loops.ConditionError) as error:
        return repr(error)


def control_path(world: World) -> JSON:
    """The path of the agent-runner's control file."""
    (piece,) = world.ready().work.steps
    stated = spec.decode(msgspec.json.encode(piece.runner_json), "agent-runner.json")
    return stated.artifacts and stated.artifacts.loop_control_path


def started(world: World) -> JSON:
    """The number of steps that start at once."""
    inner = StepRuntime()
    runtime = WorkflowRuntime(inner, now=lambda: run_world.NOW)
    asyncio.run(runtime.submit("uid-1/1", world.ready().work))
    return len(inner.submitted)


def refusals(world: World) -> JSON:
    """The rejections of admission."""
    related = {
        ("Agent", world.run["spec"]["agentRef"]["name"]): world.objects["Agent"],
        ("AgentProvider", "shell"): world.objects["AgentProvider"],
    }
    found = agentrun.validate(world.run, None, Facts(related=related))
    return [repr(world.prepared()), *(str(one) for one in found)]


class _SeenError(Exception):
    """Raised with the arguments of a call."""


class _Recorder(temporal.Temporal):
    """Records submissions instead of starting work."""

    async def _find(self, ref: JSON) -> None:
        del ref

    async def _client(self, namespace: str) -> JSON:
        class Client:
            async def start_workflow(self, *args: JSON, **options: JSON) -> NoReturn:
                raise _SeenError(namespace, args, options)

        return Client()


class _Endpoint(custom.Custom):
    """Records requests instead of sending them."""

    def __init__(self) -> None:
        self._caller = self  # type: ignore[assignment]
        self._cancelled = {}  # type: ignore[assignment]

    async def call(self, *args: JSON, **options: JSON) -> NoReturn:
        raise _SeenError(args, options)


def outside(world: World) -> JSON:
    """The requests to Temporal or an endpoint."""
    is_custom = world.run["spec"]["runtime"]["type"] == "Custom"
    runtime = _Endpoint() if is_custom else _Recorder("x:1")
    with pytest.raises(_SeenError) as seen:
        asyncio.run(runtime.submit("uid-1/1", world.ready().work))
    return repr(seen.value)


def plans(world: World) -> JSON:
    """The plan for a new run."""
    seen = observation.Observed(run=world.view, inputs=world.prepared())
    return repr(planner.reconcile(seen, run_world.NOW))


def kept(world: World) -> JSON:
    """The retention of an ended run."""
    status = {"phase": "Succeeded", "completionTime": "2026-01-01T00:00:00Z"}
    return retention_policy.ended(
        projections.of(retention_policy.Run, {**world.run, "status": status}), 1
    )


def attempts(world: World) -> JSON:
    """The number and backoff of attempts."""
    ready = world.ready()
    piece = ready.work
    return [ready.retries, ready.backoff, piece.timeout_seconds, piece.start_timeout_seconds]


def conversion(world: World) -> JSON:
    """The v1alpha1 object."""
    way = Converter(crds.api).way(KINDS["AgentProvider"], "v1beta1", "v1alpha1")
    return way.plain(world.objects["AgentProvider"])


def refused(world: World) -> JSON:
    """The rejections of the schema."""
    checker = checking.of_version(KINDS["AgentProvider"].hub)
    return [cause.message for cause in checker.create(world.objects["AgentProvider"]).causes]


def memory(world: World) -> JSON:
    """The memory of a run."""
    return related_objects.memory_name(world.run, world.objects["Agent"])


def implementations(world: World) -> JSON:
    """The objects to read in addition to the run."""
    return related_objects.implementation_names(world.run)


def runtime(world: World) -> JSON:
    """The runtime that executes it."""
    return world.view.spec.runtime.type


def claim(world: World) -> JSON:
    """The name of the claim on its key."""
    return idempotency_claims.lease(world.view, "")["metadata"]["name"]


def candidate(world: World) -> JSON:
    """The candidate for the ledger."""
    return repr(candidates.candidate(world.view))


def observed(kind: str) -> Callable[[World], JSON]:
    """Return what the conditions of an object depend on."""

    def answer(world: World) -> JSON:
        spec_ = world.objects[kind]["spec"]
        report = kinds.RULES[kind](spec_, references.Observed(), OPERATOR)
        return [repr(report), *map(repr, references.key_references(spec_))]

    return answer


def source(world: World) -> source_view.Source:
    """The controller's projection of a source."""
    return kube.view_of(source_view.Source, world.objects["ImplementationSource"])


ISSUES = [
    Observation(
        issues.Issue(
            provider=provider,
            external_id="o/r#1",
            url="https://example.com/1",
            title="A title",
            body="A body",
            labels=("a",),
            updated=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            repository="o/r",
            team="ENG",
            project="P",
        ),
        issues.Rank.READ,
    )
    for provider in Provider
]


def followed(world: World) -> JSON:
    """Which issues a source asks for."""
    return [replay.skip(source(world), seen, None) for seen in ISSUES]


def mapped(world: World) -> JSON:
    """What is applied for an issue."""
    return [mapping.spec(source(world), seen.issue, seen.version) for seen in ISSUES]


def read_at(world: World) -> JSON:
    """How often a tracker is read."""
    return source(world).interval_seconds


def default_memory(world: World) -> JSON:
    """Whether runs without a reference use a Memory."""
    spec_ = msgspec.Raw(json.dumps(world.objects["Memory"]["spec"]).encode())
    return projections.Whole(metadata=kube.Metadata(), spec=spec_).named.is_default


def probed(world: World) -> JSON:
    """How a store is probed."""
    spec_ = world.objects["Memory"]["spec"]
    return [repr(health.schedule(spec_)), probe.needs_vector(spec_)]


def unusable(world: World) -> JSON:
    """What a run does while its Memory is not ready."""
    related = related_objects.Related(
        agent=world.objects["Agent"],
        provider=world.objects["AgentProvider"],
        memory=world.objects["Memory"],
        memory_problem="away",
    )
    return repr(work.prepare(world.run, related, 1, OPERATOR))


Probe: TypeAlias = Callable[[World], JSON]
READERS: Mapping[str, tuple[tuple[str, str, Probe], ...]] = {
    "Agent": (
        ("spec.policy.*", "crds.admission.policy:refusals", refusals),
        ("spec.memoryRef.name", "controllers.runs.work.related_objects:memory_name", memory),
        ("spec.runDefaults.systemPrompt.*", "crds.admission.pods.effective_pod:build", pods),
        ("spec.runDefaults.*", "controllers.runs.work.work:prepare", attempts),
        ("spec.env*.valueFrom.*", "crds.admission.inputs:references", pods),
        ("spec.providerRef.name", "controllers.runs.projections:Whole.provider", pods),
        ("spec.vcsRef.name", "controllers.readiness.kinds:agent", observed("Agent")),
        ("spec.*", "controllers.runner.spec:names", runner),
    ),
    "AgentProvider": (
        (
            "spec.adapter*.extra",
            "crds.v1alpha1.conversions.agentprovider_conversion:CONVERSION",
            conversion,
        ),
        ("spec.health.onCapacityExhausted", "crds.v1beta1.agentprovider:Health", refused),
        (
            "spec.adapter.codexAppServer.*",
            "controllers.runner.adapters.codex_adapter:settings",
            runner,
        ),
        ("spec.adapter.*", "controllers.runner.adapters.exec_adapter:plan", runner),
        ("spec.outputArtifacts*", "controllers.runner.artifacts:rendered", runner),
        ("spec.*", "crds.admission.pods.effective_pod:build", pods),
    ),
    "ImplementationSpec": (
        (
            "spec.vcsRef.name",
            "controllers.readiness.kinds:implementation",
            observed("ImplementationSpec"),
        ),
        ("spec.source.*", "controllers.runs.work.work:prepare", inputs),
        ("spec.contract.*", "controllers.runs.work.work:prepare", inputs),
        ("spec.*", "controllers.runs.runtimes.jobs.job_objects:config_map", pods),
    ),
    "AgentRun": (
        (
            "*.implementation.specRef.name",
            "controllers.runs.work.related_objects:implementation_names",
            implementations,
        ),
        ("*.inline.source.*", "controllers.runs.work.work:prepare", inputs),
        ("*.inline.contract.*", "controllers.runs.work.work:prepare", inputs),
        (
            "*.implementation.inline.*",
            "controllers.runs.runtimes.jobs.job_objects:config_map",
            pods,
        ),
        ("spec.goal.*", "controllers.runner.spec:goal", runner),
        ("spec.runtime.type", "controllers.runs.projections:RuntimeType", runtime),
        (
            "*.loop.while.control.path",
            "controllers.runner.workspace:Workspace.inside",
            control_path,
        ),
        ("*.loop.while.*", "controllers.runs.runtimes.workflow.loops:should_continue", iterations),
        (
            "*.loop.maxIterations",
            "controllers.runs.runtimes.workflow.loops:should_continue",
            iterations,
        ),
        ("*.loop.state.persistent", "crds.admission.workflows:state_problems", refusals),
        ("*.loop.state.volumes*", "controllers.runs.work.work:prepare", pods),
        ("*.steps*.retry.*", "controllers.runs.runtimes.workflow.workflow_steps:read", steps),
        ("*.steps*.timeout", "controllers.runs.runtimes.workflow.workflow_steps:read", steps),
        (
            "*.workflow.parallelism",
            "controllers.runs.runtimes.workflow.workflow_steps:decide",
            started,
        ),
        ("spec.runtime.temporal.*", "controllers.runs.runtimes.temporal:Temporal.submit", outside),
        ("spec.runtime.custom.*", "controllers.runs.runtimes.custom:Custom.submit", outside),
        ("spec.idempotencyKey", "controllers.runs.references.idempotency_claims:lease", claim),
        ("spec.retention.*", "controllers.runs.retention.retention_policy:ended", kept),
        ("spec.priority", "controllers.runs.slots.candidates:candidate", candidate),
        ("spec.purpose", "controllers.runs.planner.planner:reconcile", plans),
        ("spec.suspend", "controllers.runs.planner.planner:reconcile", plans),
        ("spec.cancel", "controllers.runs.planner.planner:reconcile", plans),
        ("spec.memoryRef.name", "controllers.runs.work.related_objects:memory_name", memory),
        ("*.valueFrom.*", "crds.admission.inputs:references", pods),
        ("*.parameters*", "controllers.runs.work.work:prepare", inputs),
        ("spec.vcs.*", "controllers.runs.runtimes.jobs.job_objects:job", pods),
        ("spec.*", "crds.admission.pods.effective_pod:build", pods),
    ),
    "Memory": (
        ("spec.isDefault", "controllers.runs.projections:Whole.named", default_memory),
        ("spec.capabilities", "controllers.readiness.memory.probe:needs_vector", probed),
        ("spec.health.onUnavailable", "controllers.runs.work.work:prepare", unusable),
        ("spec.health.*", "controllers.readiness.memory.health:schedule", probed),
        ("spec.*", "controllers.runs.runtimes.jobs.job_objects:config_map", pods),
    ),
    "ImplementationSource": (
        ("spec.github.*", "controllers.sources.replay:skip", followed),
        ("spec.linear.*", "controllers.sources.replay:skip", followed),
        ("spec.mapping.*", "controllers.sources.mapping:spec", mapped),
        (
            "spec.ingestion.poll.interval",
            "controllers.sources.source_view:Source.interval_seconds",
            read_at,
        ),
        (
            "spec.ingestion.repair.interval",
            "controllers.sources.source_view:Source.interval_seconds",
            read_at,
        ),
        ("spec.*", "controllers.readiness.kinds:source", observed("ImplementationSource")),
    ),
    "VersionControlProvider": (
        (
            "spec.*",
            "controllers.readiness.kinds:version_control",
            observed("VersionControlProvider"),
        ),
    ),
}


# ------------------------------------------------------------------------------------ the objects

GIT: JSON = {"provider": "GitHub"}
POLLED: JSON = {"mode": "Poll", "poll": {"interval": "1m"}}
SIGNED: JSON = {
    "mode": "Webhook",
    "webhook": {"signingSecretRefs": [{"name": "s", "key": "k"}]},
}
CREDENTIALS: JSON = {"credentials": {"secretKeyRef": {"name": "t", "key": "k"}}}
SOURCE: JSON = {**CREDENTIALS, "github": {"repository": "o/r"}, "ingestion": SIGNED}
TOKEN: JSON = {"type": "Token", "token": {"secretRef": {"name": "a"}}}
GITHUB = {"provider": "GitHub", "externalId": "o/r#1"}
VOLUMES: list[JSON] = [{"name": one, "mountPath": f"/{one}", "emptyDir": {}} for one in ("a", "b")]
LOOP = {"maxIterations": 2, "while": {"cel": "control.go"}}


def workflow(*steps: JSON, **more: JSON) -> JSON:
    return {"runtime": {"type": "Workflow", "workflow": {"steps": [*steps]}}, **more}


# What else there is, by the kind and the path of the leaf.
INLINE = {"implementation": {"inline": {"text": "x", "source": GITHUB}}}
STATE = {"name": "s", "loop": {**LOOP, "state": {"volumes": ["a"]}}}
ACCOUNT = {"runtime": {"type": "Job", "podTemplate": {"serviceAccountName": "a"}}}
AROUND: tuple[tuple[str, str, str, JSON], ...] = (
    ("ImplementationSpec", "*", "AgentRun", {"implementation": {"specRef": {"name": "task"}}}),
    ("ImplementationSpec", "*source.provider", "ImplementationSpec", {"source": GITHUB}),
    ("AgentRun", "spec.implementation.inline.source.provider", "AgentRun", INLINE),
    (
        *("AgentRun", "*steps.implementation.inline.source.provider", "AgentRun"),
        workflow({"name": "s", **INLINE}),
    ),
    ("*", "*contract.aliases*", "AgentRun", {"parameters": [{"name": "p", "value": "1"}]}),
    (
        *("ImplementationSource", "spec.ingestion.poll.interval", "ImplementationSource"),
        {"ingestion": POLLED},
    ),
    ("Agent", "*policy.secrets*", "AgentRun", {"secretRefs": [{"name": "a"}]}),
    ("Agent", "*policy.serviceAccounts*", "AgentRun", ACCOUNT),
    ("Agent", "*policy.sourceProviders*", "AgentRun", INLINE),
    ("VersionControlProvider", "*clone.protocol", "VersionControlProvider", {"auth": TOKEN}),
    ("AgentRun", "*parallelism", "AgentRun", workflow(*({"name": one} for one in "abc"))),
    ("AgentRun", "*loop.state*", "AgentRun", workflow(STATE, workload={"volumes": VOLUMES})),
    ("AgentRun", "*loop.while*", "AgentRun", workflow({"name": "s", "loop": LOOP})),
)
# Values that mean something at a leaf.
VALUES: Mapping[str, tuple[JSON, JSON]] = {
    "*source.externalId": ("o/r#1", "o/r#2"),
    "*contract.aliases.from": ("p", "q"),
    "*loop.while.cel": ("control.go", "control.stop"),
    "*backoff.base": ("1s", "2s"),
    "*control.path": ("/workspace/a", "/workspace/b"),
    "spec.runtime.extraConfig": ({"podAnnotations": {"a": "1"}}, {"podAnnotations": {"a": "2"}}),
    "spec.runtime.custom.endpoint": ("https://a.example", "https://b.example"),
    "spec.capabilities": ("KV", "Vector"),
    "spec.github.repository": ("o/r", "o/s"),
    "spec.github.labels": ("a", "b"),
    "spec.ingestion.poll.interval": ("2m", "3m"),
    "spec.health.onUnavailable": ("Wait", "Ignore"),
    "spec.health.interval": ("2m", "3m"),
    "spec.health.timeout": ("1s", "2s"),
}
# Of a union, both arms have to be set together with what chooses between them.
Arms: TypeAlias = Mapping[str, tuple[str, JSON, JSON]]
POLICIES: Arms = {
    f"spec.policy.{name}.mode": (
        f"spec.policy.{name}",
        {"mode": "AllowAll"},
        {"mode": "AllowListed", "allowed": []},
    )
    for name in ("secrets", "serviceAccounts", "sourceProviders")
}
SCOPES: Arms = {
    f"spec.{scope}.{name}": (
        "spec",
        {**CREDENTIALS, scope: {name: first}},
        {**CREDENTIALS, scope: {name: second}},
    )
    for scope, name, first, second in (
        ("github", "organization", "o", "p"),
        ("linear", "team", "ENG", "OPS"),
        ("linear", "project", "P", "Q"),
    )
}
WHOLE: Arms = {
    **POLICIES,
    **SCOPES,
    "spec.linear.labels[]": (
        "spec",
        {**CREDENTIALS, "linear": {"labels": ["a"]}},
        {**CREDENTIALS, "linear": {"labels": ["b"]}},
    ),
    "spec.ingestion.mode": ("spec.ingestion", {"mode": "Disabled"}, SIGNED),
    "spec.mapping[].from": (
        "spec.mapping",
        [{"from": "url", "to": "text"}],
        [{"from": "title", "to": "text"}],
    ),
    "spec.mapping[].to": (
        "spec.mapping",
        [{"from": "url", "to": "text"}],
        [{"from": "url", "to": "summary"}],
    ),
    "spec.auth.type": ("spec.auth", {"type": "None"}, TOKEN),
    "spec.adapter.type": ("spec.adapter", {"type": "CodexAppServer"}, {"type": "Exec"}),
    "spec.retention.keepForever": ("spec.retention", {"keepForever": True}, {"ttl": "1h"}),
}


def base() -> dict[str, JSON]:
    """Minimal objects."""
    found = {"AgentRun": run_world.run()}
    for name, given in (
        ("Agent", run_world.AGENT["spec"]),
        ("AgentProvider", run_world.PROVIDER["spec"]),
        ("ImplementationSpec", {"text": "x"}),
        ("VersionControlProvider", GIT),
        ("ImplementationSource", SOURCE),
        ("Memory", {"type": "Postgres", "connection": {"secretKeyRef": {"name": "m", "key": "k"}}}),
    ):
        metadata = {"name": "one", "namespace": "team"}
        api_version = f"{crds.api.group}/v1beta1"
        found[name] = {"apiVersion": api_version, "kind": name, "metadata": metadata, "spec": given}
    return copy.deepcopy(found)


def plain(path: str) -> str:
    return path.replace("[]", "")


def matched(names: Iterator[str], path: str) -> str | None:
    return next((one for one in names if fnmatch.fnmatchcase(plain(path), one)), None)


def worlds(kind: str, path: str) -> tuple[World, World]:
    """Two worlds that differ in one leaf."""
    objects, schema = base(), SCHEMAS[kind]
    for of, pattern, other, spec_ in AROUND:
        if fnmatch.fnmatchcase(kind, of) and fnmatch.fnmatchcase(plain(path), pattern):
            objects[other]["spec"] |= copy.deepcopy(spec_)
    place, *both = WHOLE.get(path, (path,))
    if not both:
        special = matched(iter(VALUES), path)
        both = [*(VALUES[special] if special else leaves.values(leaves.leaf_schema(schema, path)))]
    made = [leaves.with_leaf(objects[kind], schema, place, one) for one in both]
    first, second = (World({**objects, kind: one}) for one in made)
    return first, second


SCHEMAS: Mapping[str, JSON] = {name: leaves.schema_of(KINDS[name]) for name in READERS}
LEAVES = [
    (name, path)
    for name, schema in SCHEMAS.items()
    for path in leaves.leaves(schema)
    if matched(iter(UNREAD.get(name, ())), path) is None
]


def reader(kind: str, path: str) -> tuple[str, Probe]:
    pattern = matched((one for one, _, _ in READERS[kind]), path)
    (found,) = ((code, probe) for one, code, probe in READERS[kind] if one == pattern)
    return found


@pytest.mark.parametrize(("kind", "path"), LEAVES, ids=[f"{kind} {path}" for kind, path in LEAVES])
def test_field_is_read(kind: str, path: str) -> None:
    _, probe = reader(kind, path)
    first, second = worlds(kind, path)

    answers = [json.dumps(msgspec.to_builtins(probe(one)), default=repr) for one in (first, second)]

    if probe is not refused:
        checker = checking.of_version(KINDS[kind].hub)
        for one in (first, second):
            assert () == checker.create(one.objects[kind]).causes
    assert answers[0] != answers[1]


def test_code_that_reads_is_there() -> None:
    for kind in READERS:
        for _, code, _ in READERS[kind]:
            pkgutil.resolve_name(code)


def test_lists_name_nothing_that_is_not_there() -> None:
    for kind, schema in SCHEMAS.items():
        paths = [*map(plain, leaves.leaves(schema))]
        used = {reader(kind, path)[0] for name, path in LEAVES if name == kind}
        for pattern in UNREAD.get(kind, ()):
            assert fnmatch.filter(paths, pattern), (kind, pattern)
        assert {code for _, code, _ in READERS[kind]} == used
