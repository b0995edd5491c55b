"""The AgentRun that ``agentctl run retry`` creates from an ended one. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from controllers.agentctl.exits import CommandError
from controllers.runs import naming, projections
from controllers.runs.api_constants import ENDED, Phase
from controllers.runs.references.idempotency_claims import HASH_ANNOTATION
from controllers.runs.work import work
from crds import names
from schemagen.problems import JSON

RETRY_OF: Final = f"{naming.GROUP}/retry-of"
"""Annotation of a retried run: name and UID of the original run, separated by a space."""
MAX_PREFIX: Final = 40
# These belong to the ended run: it was cancelled, or suspended.
_DROPPED: Final = frozenset({"cancel", "suspend", "idempotencyKey", "purpose"})
# Written by kubectl and the conversion webhook, and valid for the ended run only.
_FOREIGN: Final = ("kubectl.kubernetes.io/", f"conversion.{naming.GROUP}/", f"{naming.GROUP}/")


def check(run: JSON) -> None:
    """Check that a run can be retried.

    Raises:
        CommandError: It has not ended.
    """
    name = run["metadata"]["name"]
    phase = (run.get("status") or {}).get("phase") or Phase.PENDING
    if Phase.TEMPLATE in {phase, run["spec"].get("purpose")}:
        raise CommandError(
            f"expected a run that has ended, got the Template {name}, which is never executed"
        )
    if phase not in ENDED:
        raise CommandError(
            f"expected run {name} to have ended, but it is {phase}: wait for it, or cancel it with "
            f"`agentctl run cancel {name} --wait`"
        )


def repetition(run: JSON, name: str = "", key: str = "") -> dict[str, JSON]:
    """Return the run (v1beta1) to create.

    Args:
        run: The ended run.
        name: Name of the new run; if empty, derived from the ended run, so it is created once.
        key: Idempotency key of the new run; the ended run's stays in use while that run exists.
    """
    metadata = run["metadata"]
    spec = {field: value for field, value in run["spec"].items() if field not in _DROPPED}
    spec |= {"idempotencyKey": key} if key else {}
    spec["runtime"] = _runtime(spec["runtime"])
    annotations = {
        **_kept(metadata.get("annotations") or {}),
        HASH_ANNOTATION: work.spec_hash({"spec": spec}),
        RETRY_OF: f"{metadata['name']} {metadata['uid']}",
    }
    return {
        "apiVersion": projections.RUNS.api_version,
        "kind": projections.RUNS.kind,
        "metadata": {
            "name": name or name_of(metadata),
            "namespace": metadata["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": annotations,
        },
        "spec": spec,
    }


def name_of(metadata: Mapping[str, JSON]) -> str:
    """Return the derived name: a prefix of the run's name, and a hash of its UID."""
    own = str(metadata["name"])
    before = source(metadata)
    stem = own.rpartition("-")[0] if before and own.endswith(names.short(before.encode())) else own
    return f"{stem[:MAX_PREFIX].rstrip('-.')}-{names.short(str(metadata['uid']).encode())}"


def source(metadata: Mapping[str, JSON]) -> str:
    """Return the UID of the original of a retried run; empty if it is no retry."""
    annotation = (metadata.get("annotations") or {}).get(RETRY_OF) or ""
    return str(annotation).partition(" ")[2]


def is_of(retried: JSON, run: JSON) -> bool:
    """Return whether ``found`` is a retry of ``run``."""
    return source(retried["metadata"]) == str(run["metadata"]["uid"])


def left_out(run: JSON, key: str) -> Iterator[str]:
    """Yield a sentence for each value of the ended run that the new run lacks."""
    spec = run["spec"]
    if spec.get("idempotencyKey") and not key:
        yield (
            f"without idempotency key {spec['idempotencyKey']!r}, which belongs to the ended run; "
            "set another with --idempotency-key"
        )
    if _workflow_id(spec["runtime"]):
        yield f"without workflow id {_workflow_id(spec['runtime'])!r} of the ended run"


def _runtime(runtime: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a runtime without its workflow ID: Temporal runs an ID only once."""
    if not _workflow_id(runtime):
        return dict(runtime)
    temporal = {name: value for name, value in runtime["temporal"].items() if name != "workflowId"}
    return {**runtime, "temporal": temporal}


def _workflow_id(runtime: Mapping[str, JSON]) -> str:
    return str((runtime.get("temporal") or {}).get("workflowId") or "")


def _kept(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in annotations.items() if not name.startswith(_FOREIGN)}
