"""``agentctl demo``: AgentRuns through a real API server, each step checked and timed. Shell."""

import asyncio
import copy
import dataclasses
import functools
import importlib.resources
import json
import pathlib
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import rich.console
import rich.markup
import rich.padding
import rich.rule
import rich.syntax

import crds
from controllers import devcluster, kube
from controllers.agentctl import demo_runs, local
from schemagen import Version, canonical, yaml

GROUP: Final = crds.api.group
RUNS: Final = {
    version: kube.Resource(GROUP, version, "agentruns", "AgentRun")
    for version in ("v1alpha1", "v1beta1")
}
SPECS: Final = kube.Resource(GROUP, "v1alpha1", "implementationspecs", "ImplementationSpec")
NAMESPACE: Final = "default"
RESIDUE: Final = f"conversion.{GROUP}/v1alpha1-residue"
# 131,071 characters of which one takes two bytes: what counts characters lets it pass.
TEXT_OF_ONE_BYTE_TOO_MUCH: Final = "x" * (128 * 1024 - 1) + "é"


def run(picture: pathlib.Path | None) -> int:
    """Show everything, and draw it if a picture is wanted; 0 if every step did what it says."""
    console = rich.console.Console(
        highlight=False, record=picture is not None, width=100 if picture is not None else None
    )
    try:
        with tempfile.TemporaryDirectory(prefix="kubewright-demo-") as scratch:
            code = _on_a_cluster(console, pathlib.Path(scratch))
    except (devcluster.DevclusterError, local.ServerError, kube.KubeError) as error:
        console.print(f"[red]{rich.markup.escape(str(error))}[/]")
        return 1
    if picture is not None:
        picture.write_text(_without_web_fonts(console.export_svg(title="make demo")))
    return code


def _without_web_fonts(svg: str) -> str:
    """The picture in the viewer's own monospaced font instead of one from the network."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code,", "")


def _on_a_cluster(console: rich.console.Console, scratch: pathlib.Path) -> int:
    started = time.perf_counter()
    with devcluster.Cluster() as cluster:
        show = Show(console)
        show.title("A control plane on this machine")
        show.done(f"kube-apiserver {cluster.kubernetes_version} and etcd", started)
        started = time.perf_counter()
        with local.webhook_server(cluster, scratch) as address:
            show.title("The API: CRDs from Pydantic models, webhooks with their own certificate")
            for kind in crds.api:
                show.text(f"{crds.api.crd_name(kind)}  {_versions(kind.versions)}")
            show.done(f"installed and served at {address}", started)
            asyncio.run(_calls(show, cluster, scratch))
    return show.outcome()


def _versions(versions: Sequence[Version]) -> str:
    return ", ".join(f"{one.name}{' (stored)' if one.storage else ''}" for one in versions)


async def _calls(show: "Show", cluster: devcluster.Cluster, scratch: pathlib.Path) -> None:
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
        await _accepted(show, client)
        await _refused(show, client)
    await demo_runs.run(show, cluster, scratch)


async def _accepted(show: "Show", client: kube.Client) -> None:
    """The sample comes in, gets its defaults, and reads alike in both versions."""
    sample = _sample("v1alpha1/agentrun.yaml")
    show.title("A v1alpha1 AgentRun comes in")
    show.yaml(sample)
    # apiextensions-apiserver, customresource_handler.go: a create waits 2 s if its CRD is that new.
    stored = await show.call(
        "create (of which the API server waits 2 s, because the CRD is new)",
        lambda: client.create(RUNS["v1alpha1"], _in(sample)),
    )

    show.title("It has been defaulted")
    added = _added(sample["spec"], stored["spec"])
    show.yaml({"spec": added})
    show.check("the workflow got a step, the VCS policy a mode", added == EXPECTED_DEFAULTS)

    show.title("The same object, read as v1beta1")
    newer = await show.call("get v1beta1", lambda: _get(client, "v1beta1", sample))
    show.yaml({"spec": newer["spec"]})
    show.text("and, in an annotation, how v1alpha1 wrote what v1beta1 writes in one way only:")
    for entry in json.loads(newer["metadata"]["annotations"][RESIDUE]):
        show.text(f"  {'.'.join(entry['at'])}  {_change(entry)}")
    show.check("v1beta1 speaks of durations, keyed lists and unions", _is_v1beta1(newer["spec"]))

    show.title("Written in v1beta1, read as v1alpha1 again")
    newer = copy.deepcopy(newer)
    newer["spec"]["priority"] = 7
    await show.call("replace v1beta1", lambda: client.replace(RUNS["v1beta1"], newer))
    back = await show.call("get v1alpha1", lambda: _get(client, "v1alpha1", sample))
    is_same = canonical.dumps(stored["spec"]) == canonical.dumps(back["spec"])
    show.check("the v1alpha1 spec is as it was, to the byte", is_same)
    retain = "agents.proompteng.ai/retain"
    kept = back["metadata"]["annotations"].get(retain)
    show.check("so is its annotation, which v1beta1 has as a field", kept == "yes")
    again = await show.call("get v1beta1", lambda: _get(client, "v1beta1", sample))
    show.check("v1beta1 still has its priority", again["spec"].get("priority") == 7)  # noqa: PLR2004


async def _refused(show: "Show", client: kube.Client) -> None:
    """Four runs and a text that are refused, in the API server's own words."""
    run = _sample("v1alpha1/agentrun.yaml")
    text = _sample("v1alpha1/implementationspec.yaml")
    text["spec"]["text"] = TEXT_OF_ONE_BYTE_TOO_MUCH
    await show.refusal(
        "A text of 128 KiB and one byte (in fewer characters)",
        lambda: client.create(SPECS, _in(text)),
        "spec.text",
    )
    many = {f"parameter-{number}": "x" for number in range(101)}
    for title, field, spec in (
        ("101 parameters", "spec.parameters", {**run["spec"], "parameters": many}),
        (
            "A parameter of 2049 bytes",
            "spec.parameters.note",
            {**run["spec"], "parameters": {"note": "x" * 2049}},
        ),
        (
            "No agentRef",
            "spec.agentRef",
            {name: value for name, value in run["spec"].items() if name != "agentRef"},
        ),
    ):
        bad = {**run, "metadata": {"name": "refused"}, "spec": spec}
        create = functools.partial(client.create, RUNS["v1alpha1"], _in(bad))
        await show.refusal(title, create, field)


EXPECTED_DEFAULTS: Final = {
    "workflow": {"steps": [{"name": "implement"}]},
    "vcsPolicy": {"mode": "read-write"},
}


def _is_v1beta1(spec: kube.JSON) -> bool:
    return bool(
        spec["runtime"]["jobTTL"] == "1h30m"
        and spec["implementation"] == {"specRef": {"name": "fix-login"}}
        and {"name": "base", "value": "main"} in spec["parameters"]
        and spec["retention"] == {"keepForever": True}
    )


def _change(entry: kube.JSON) -> str:
    """A residue entry in a few words."""
    kept = ", ".join(f"{key}: {json.dumps(value)}" for key, value in entry["is"].items())
    gone = ", ".join(f"no {key}" for key in entry["was"] if key not in entry["is"])
    return kept or gone


def _get(client: kube.Client, version: str, sample: kube.JSON) -> Awaitable[kube.JSON]:
    return client.get(RUNS[version], sample["metadata"]["name"], namespace=NAMESPACE)


def _in(manifest: kube.JSON) -> kube.JSON:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}


def _sample(name: str) -> kube.JSON:
    text = importlib.resources.files(crds).joinpath("samples", name).read_bytes()
    return dict(yaml.load(text))


def _added(before: kube.JSON, after: kube.JSON) -> kube.JSON:
    """The fields of ``after`` that ``before`` did not have."""
    return {name: value for name, value in after.items() if name not in before}


@dataclasses.dataclass
class Show:
    """What the demo prints, and whether all of it came true."""

    console: rich.console.Console
    step: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def title(self, text: str) -> None:
        """Begin a step."""
        self.step += 1
        self.console.print()
        self.console.print(rich.rule.Rule(f"[bold]{self.step}. {text}", align="left", style="dim"))

    def text(self, text: str) -> None:
        """Print a line."""
        self.console.print(f"  {rich.markup.escape(text)}")

    def yaml(self, value: kube.JSON) -> None:
        """Print a value as YAML."""
        text = yaml.dumps(value).rstrip()
        syntax = rich.syntax.Syntax(text, "yaml", background_color="default", word_wrap=True)
        self.console.print(rich.padding.Padding(syntax, (0, 0, 0, 2)))

    def done(self, text: str, started: float) -> None:
        """Print that something was done, and how long it took."""
        self._line("[green]✓[/]", text, started)

    def check(self, text: str, is_true: bool) -> None:  # noqa: FBT001 - it is the point
        """Print whether something is as it should be; if it is not, the demo has failed."""
        if not is_true:
            self.failures.append(text)
        self._line("[green]✓[/]" if is_true else "[red]✗[/]", text)

    async def call(self, text: str, call: Callable[[], Awaitable[kube.JSON]]) -> kube.JSON:
        """Make a call of the API server and print how long it took."""
        started = time.perf_counter()
        answer = await call()
        self.done(text, started)
        return answer

    async def refusal(
        self, title: str, call: Callable[[], Awaitable[kube.JSON]], field: str
    ) -> None:
        """Make a call that must be refused because of a field, and print the server's words."""
        self.title(f"{title}: refused")
        started = time.perf_counter()
        try:
            await call()
        except kube.ApiError as error:
            self.text(str(error))
            self._line("[green]✓[/]", f"refused with {error.code}", started)
            fields = [cause.field for cause in error.causes]
            self.check(f"the field is named: {field}", field in fields)
        else:
            self.check(f"{title} is refused", is_true=False)

    def outcome(self) -> int:
        """Print the end; the exit code."""
        self.console.print()
        for failure in self.failures:
            self.console.print(f"[red]not as it should be:[/] {rich.markup.escape(failure)}")
        if self.failures:
            return 1
        self.console.print("[bold green]Everything did what it says.[/]")
        self.console.print("Next: `make dev` keeps it running for you and your kubectl.")
        return 0

    def _line(self, mark: str, text: str, started: float | None = None) -> None:
        took = "" if started is None else f"  [dim]{_duration(time.perf_counter() - started)}[/]"
        self.console.print(f"  {mark} {rich.markup.escape(text)}{took}")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
