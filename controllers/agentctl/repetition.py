"""The AgentRun that ``agentctl run retry`` makes of one that has ended. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from controllers.agentctl.exits import CommandError
from controllers.runs import naming, views, work
from controllers.runs.claims import HASH_ANNOTATION
from controllers.runs.words import ENDED, Phase
from crds import names
from schemagen.problems import JSON

RETRY_OF: Final = f"{naming.GROUP}/retry-of"
"""Annotation of a run that was made of another: that one's name and uid, with a blank between."""
MAX_PREFIX: Final = 40
# The ended run's own: it was told to end, or to wait.
_DROPPED: Final = frozenset({"cancel", "suspend", "idempotencyKey", "purpose"})
# Written by kubectl and by our own conversion, and true of the ended run only.
_FOREIGN: Final = ("kubectl.kubernetes.io/", f"conversion.{naming.GROUP}/", f"{naming.GROUP}/")


def check(run: JSON) -> None:
    """See whether a run can be made anew.

    Raises:
        CommandError: It has not ended.
    """
    name = run["metadata"]["name"]
    phase = (run.get("status") or {}).get("phase") or Phase.PENDING
    if Phase.TEMPLATE in {phase, run["spec"].get("purpose")}:
        raise CommandError(
            f"expected a run that has ended, got the Template {name}, which is never carried out"
        )
    if phase not in ENDED:
        raise CommandError(
            f"expected run {name} to have ended, but it is {phase}: wait for it, or end it by "
            f"`agentctl run cancel {name} --wait`"
        )


def repetition(run: JSON, name: str = "", key: str = "") -> dict[str, JSON]:
    """The run (v1beta1) to create.

    Args:
        run: The one that has ended.
        name: Of the new one; empty lets it follow from the ended one, so that it is made once.
        key: The new one's idempotency key; the ended run has its own for as long as it exists.
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
        "apiVersion": views.RUNS.api_version,
        "kind": views.RUNS.kind,
        "metadata": {
            "name": name or name_of(metadata),
            "namespace": metadata["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": annotations,
        },
        "spec": spec,
    }


def name_of(metadata: Mapping[str, JSON]) -> str:
    """The name that follows from a run: the beginning of its own, and a hash of its uid."""
    own = str(metadata["name"])
    before = source(metadata)
    stem = own.rpartition("-")[0] if before and own.endswith(names.short(before.encode())) else own
    return f"{stem[:MAX_PREFIX].rstrip('-.')}-{names.short(str(metadata['uid']).encode())}"


def source(metadata: Mapping[str, JSON]) -> str:
    """The uid of the run that another was made of; empty where it was made of none."""
    told = (metadata.get("annotations") or {}).get(RETRY_OF) or ""
    return str(told).partition(" ")[2]


def is_of(found: JSON, run: JSON) -> bool:
    """Whether a run was made of another."""
    return source(found["metadata"]) == str(run["metadata"]["uid"])


def left_out(run: JSON, key: str) -> Iterator[str]:
    """What the new run does not have of the ended one, a sentence each."""
    spec = run["spec"]
    if spec.get("idempotencyKey") and not key:
        yield (
            f"without idempotency key {spec['idempotencyKey']!r}, which is the ended run's; "
            "--idempotency-key gives it another"
        )
    if _workflow_id(spec["runtime"]):
        yield f"without workflow id {_workflow_id(spec['runtime'])!r}, which is the ended run's"


def _runtime(runtime: Mapping[str, JSON]) -> dict[str, JSON]:
    """A runtime without the name of work that exists already: Temporal starts an id only once."""
    if not _workflow_id(runtime):
        return dict(runtime)
    temporal = {name: value for name, value in runtime["temporal"].items() if name != "workflowId"}
    return {**runtime, "temporal": temporal}


def _workflow_id(runtime: Mapping[str, JSON]) -> str:
    return str((runtime.get("temporal") or {}).get("workflowId") or "")


def _kept(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in annotations.items() if not name.startswith(_FOREIGN)}
