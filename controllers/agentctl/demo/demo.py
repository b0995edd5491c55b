"""Implements ``agentctl demo``: AgentRuns on a real API server, checked and timed. Shell."""

import asyncio
import copy
import functools
import importlib.resources
import json
import pathlib
import re
import tempfile
import time
from collections.abc import Awaitable, Sequence
from typing import Final

import rich.console
import rich.markup
import rich.padding
import rich.rule
import rich.syntax

import crds
from controllers import devcluster, kube
from controllers.agentctl.demo import runs
from controllers.agentctl.demo.progress import Show
from controllers.agentctl.dev import local_platform
from schemagen import Version, canonical, yaml

GROUP: Final = crds.api.group
RUNS: Final = {
    version: kube.Resource(GROUP, version, "agentruns", "AgentRun")
    for version in ("v1alpha1", "v1beta1")
}
SPECS: Final = kube.Resource(GROUP, "v1alpha1", "implementationspecs", "ImplementationSpec")
NAMESPACE: Final = "default"
RESIDUE: Final = f"conversion.{GROUP}/v1alpha1-residue"
# 131,071 characters, one of which is two bytes: a check that counts characters accepts it.
TEXT_ONE_BYTE_OVER_LIMIT: Final = "x" * (128 * 1024 - 1) + "é"


def run(picture: pathlib.Path | None) -> int:
    """Run the demo, optionally saving it as SVG; return 0 if every check passed."""
    console = rich.console.Console(
        highlight=False, record=picture is not None, width=100 if picture is not None else None
    )
    try:
        with tempfile.TemporaryDirectory(prefix="kubewright-demo-") as scratch:
            code = _on_a_cluster(console, pathlib.Path(scratch))
    except (devcluster.DevclusterError, local_platform.ServerError, kube.KubeError) as error:
        console.print(f"[red]{rich.markup.escape(str(error))}[/]")
        return 1
    if picture is not None:
        picture.write_text(_without_web_fonts(console.export_svg(title="make demo")))
    return code


def _without_web_fonts(svg: str) -> str:
    """Use the viewer's monospaced font instead of a web font."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code,", "")


def _on_a_cluster(console: rich.console.Console, scratch: pathlib.Path) -> int:
    started = time.perf_counter()
    with devcluster.Cluster() as cluster:
        show = Show(console)
        show.title("A control plane on this machine")
        show.done(f"kube-apiserver {cluster.kubernetes_version} and etcd", started)
        started = time.perf_counter()
        with local_platform.webhook_server(cluster, scratch) as address:
            show.title("The API: CRDs from Pydantic models, webhooks with their own certificate")
            for kind in crds.api:
                show.text(f"{crds.api.crd_name(kind)}  {_versions(kind.versions)}")
            show.done(f"installed and served at {address}", started)
            asyncio.run(_calls(show, cluster, scratch))
    return show.outcome()


def _versions(versions: Sequence[Version]) -> str:
    return ", ".join(
        f"{version.name}{' (stored)' if version.storage else ''}" for version in versions
    )


async def _calls(show: Show, cluster: devcluster.Cluster, scratch: pathlib.Path) -> None:
    async with kube.Client.from_kubeconfig(cluster.admin_kubeconfig) as client:
        await _accepted(show, client)
        await _refused(show, client)
    await runs.run(show, cluster, scratch)


async def _accepted(show: Show, client: kube.Client) -> None:
    """Submit the sample: it is defaulted, and reads alike in both versions."""
    sample = _sample("v1alpha1/agentrun.yaml")
    show.title("Creating a v1alpha1 AgentRun")
    show.yaml(sample)
    # A create waits 2 s if the CRD is new (apiextensions-apiserver, customresource_handler.go).
    stored = await show.call(
        "create (includes 2 s that the API server waits because the CRD is new)",
        lambda: client.create(RUNS["v1alpha1"], _in(sample)),
    )

    show.title("Defaults applied by the webhook")
    added = _added(sample["spec"], stored["spec"])
    show.yaml({"spec": added})
    show.check("a workflow step and a VCS policy mode were added", added == EXPECTED_DEFAULTS)

    show.title("The same object, read as v1beta1")
    newer = await show.call("get v1beta1", lambda: _get(client, "v1beta1", sample))
    show.yaml({"spec": newer["spec"]})
    show.text("and, in an annotation, the v1alpha1 notation that v1beta1 cannot express:")
    for entry in json.loads(newer["metadata"]["annotations"][RESIDUE]):
        show.text(f"  {'.'.join(entry['at'])}  {_change(entry)}")
    show.check("v1beta1 uses durations, keyed lists and unions", _is_v1beta1(newer["spec"]))

    show.title("Updated as v1beta1, read back as v1alpha1")
    newer = copy.deepcopy(newer)
    newer["spec"]["priority"] = 7
    await show.call("replace v1beta1", lambda: client.replace(RUNS["v1beta1"], newer))
    back = await show.call("get v1alpha1", lambda: _get(client, "v1alpha1", sample))
    is_same = canonical.dumps(stored["spec"]) == canonical.dumps(back["spec"])
    show.check("the v1alpha1 spec is unchanged, byte for byte", is_same)
    retain = "agents.proompteng.ai/retain"
    kept = back["metadata"]["annotations"].get(retain)
    show.check("its annotation, a field in v1beta1, is unchanged", kept == "yes")
    again = await show.call("get v1beta1", lambda: _get(client, "v1beta1", sample))
    show.check("v1beta1 still has its priority", again["spec"].get("priority") == 7)  # noqa: PLR2004


async def _refused(show: Show, client: kube.Client) -> None:
    """Submit invalid objects, and show the API server's errors."""
    run = _sample("v1alpha1/agentrun.yaml")
    text = _sample("v1alpha1/implementationspec.yaml")
    text["spec"]["text"] = TEXT_ONE_BYTE_OVER_LIMIT
    await show.refusal(
        "A text one byte over 128 KiB (with fewer characters)",
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
    """Describe a residue entry in a few words."""
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
    """Return the fields of ``after`` that ``before`` lacks."""
    return {name: value for name, value in after.items() if name not in before}
