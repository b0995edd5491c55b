"""The AgentRun that ``agentctl run submit`` creates, and its comparison. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from controllers.agentctl.exits import CommandError
from controllers.agentctl.run import runtime_options
from controllers.agentctl.run.request import Request
from controllers.runs import naming, projections
from controllers.runs.references.idempotency_claims import HASH_ANNOTATION
from controllers.runs.work import work
from crds.admission import agentrun as rules
from schemagen.problems import JSON

_VCS_MODES: Final = {"read-write": "ReadWrite", "read-only": "ReadOnly", "none": "None"}


def run(request: Request, namespace: str) -> dict[str, JSON]:
    """Return the AgentRun (v1beta1) to create.

    Raises:
        CommandError: The options conflict.
    """
    spec = _present(
        {
            "agentRef": {"name": request.agent},
            "implementation": _implementation(request),
            "runtime": runtime_options.runtime(
                request.runtime, _pairs("--runtime-config", request.runtime_config or ())
            ),
            "workload": _workload(request),
            "parameters": _parameters(request),
            "secretRefs": [{"name": name} for name in dict.fromkeys(request.secrets or ())],
            "memoryRef": _named(request.memory_ref),
            "vcs": _vcs(request),
            "idempotencyKey": request.idempotency_key,
            "priority": request.priority,
        }
    )
    annotations = {HASH_ANNOTATION: work.spec_hash({"spec": spec})}
    return {
        "apiVersion": projections.RUNS.api_version,
        "kind": projections.RUNS.kind,
        "metadata": {"namespace": namespace, **_name(request), "annotations": annotations},
        "spec": spec,
    }


def _name(request: Request) -> dict[str, str]:
    if request.name:
        return {"name": request.name}
    if request.idempotency_key:
        return {"name": naming.of_submission(request.agent, request.idempotency_key)}
    return {"generateName": f"{request.agent}-"}


def _implementation(request: Request) -> JSON:
    if bool(request.implementation) == bool(request.text):
        raise CommandError(
            "expected exactly one of --impl NAME, --text TEXT and --file FILE with the task"
        )
    if request.implementation:
        return {"specRef": {"name": request.implementation}}
    return {"inline": {"text": request.text}}


def _workload(request: Request) -> JSON:
    requests = _present({"cpu": request.cpu, "memory": request.memory})
    resources = {"requests": requests} if requests else None
    return _present({"image": request.image, "resources": resources})


def _parameters(request: Request) -> JSON:
    pairs = [*_pairs("--param", request.parameters or ())]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"expected --param {name} once, got it {names.count(name)} times")
    return [{"name": name, "value": value} for name, value in pairs]


def _vcs(request: Request) -> JSON:
    return _present(
        {
            "providerRef": _named(request.vcs),
            "mode": _VCS_MODES[request.vcs_mode] if request.vcs_mode else None,
            "required": True if request.is_vcs_required else None,
        }
    )


def _named(name: str) -> JSON:
    return {"name": name} if name else None


def _pairs(option: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CommandError(f"expected {option} KEY=VALUE, got {text[:64]!r}")
        yield key, value


def _present(fields: dict[str, JSON]) -> dict[str, JSON]:
    """Omit values that are not set: None and empty ones."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


# --------------------------------------------------------------------------- comparison


def has_same_inputs(body: JSON, existing: JSON) -> bool:
    """Return whether a run was submitted with the same options, by its hash annotation."""
    ours, theirs = (value["metadata"].get("annotations") or {} for value in (body, existing))
    return bool(ours[HASH_ANNOTATION] == theirs.get(HASH_ANNOTATION))


def dry_run_body(body: JSON) -> dict[str, JSON]:
    """Return a run for a dry run, whose response includes the API server's defaults.

    Its name is unused and it has no key, which the existing run occupies.
    """
    spec = {name: value for name, value in body["spec"].items() if name != "idempotencyKey"}
    metadata = {"namespace": body["metadata"]["namespace"], "generateName": "dry-run-"}
    return {**body, "metadata": metadata, "spec": spec}


def difference(body: JSON, defaulted: JSON, existing: JSON) -> str:
    """Return the first field in which a run differs from the requested one; empty if none.

    Fields that may change after submission are ignored.

    Args:
        body: The run to create.
        defaulted: The response to ``dry_run_body``.
        existing: The existing run.
    """
    key = body["spec"].get("idempotencyKey")
    ours = {**defaulted["spec"], **({"idempotencyKey": key} if key else {})}
    kept = [
        {name: spec[name] for name in spec if name not in rules.MAY_CHANGE}
        for spec in (ours, existing["spec"])
    ]
    return _difference(*kept, path="spec")


def _difference(ours: JSON, theirs: JSON, *, path: str) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            path_found = _difference(ours.get(name), theirs.get(name), path=f"{path}.{name}")
            if path_found:
                return path_found
        return ""
    if _is_keyed(ours) and _is_keyed(theirs):
        by_name = [{item["name"]: item for item in each} for each in (ours, theirs)]
        for name in sorted(by_name[0].keys() | by_name[1].keys()):
            pair = [each.get(name) for each in by_name]
            path_found = _difference(*pair, path=f"{path}[name={name}]")
            if path_found:
                return path_found
        return ""
    return "" if ours == theirs else path


def _is_keyed(value: JSON) -> bool:
    """Return whether a list is a map keyed by name, whose order has no meaning."""
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in value
    )
