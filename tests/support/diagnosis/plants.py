"""What plants a fault in a snapshot of a healthy cluster: functions from one to the other."""

import copy
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any

import crds
from certs import authority
from controllers import kube, manager
from controllers.agentctl.diagnose.check import IGNORE
from controllers.agentctl.diagnose.observation import (
    AccessReview,
    ClockSample,
    Handshake,
    Reading,
    RoundTrip,
    Snapshot,
)
from controllers.ledger import encoding
from controllers.runs import naming

GROUP = crds.api.group
MEMORIES = f"memories.{GROUP}"
HOME = "agents"
UID = "11111111-2222-3333-4444-555555555555"
HOUR = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Planted:
    """A fault.

    Attributes:
        name: What is wrong.
        check: The check that finds it.
        subject: The object that the check names.
        plant: Returns the snapshot with the fault.
        is_warning: Whether it is only a warning.
        others: Checks that find it as well, or cannot be done because of it.
        mode: What is diagnosed.
    """

    name: str
    check: str
    subject: str
    plant: Callable[[Snapshot], Snapshot]
    is_warning: bool = False
    others: tuple[str, ...] = ()
    mode: str = "installed"


def reading(**parts: Any) -> Callable[[Snapshot], Snapshot]:
    """Return what replaces parts of a snapshot."""
    readings: dict[str, Any] = {name: Reading(value) for name, value in parts.items()}
    return lambda seen: dataclasses.replace(seen, **readings)


def definition(change: Callable[[Any], object]) -> Callable[[Snapshot], Snapshot]:
    """Return what changes the CRD of memories."""

    def plant(seen: Snapshot) -> Snapshot:
        found = {**seen.definitions.get()}
        found[MEMORIES] = copy.deepcopy(found[MEMORIES])
        change(found[MEMORIES])
        return dataclasses.replace(seen, definitions=Reading(found))

    return plant


def configuration(kind: str, change: Callable[[Any], object]) -> Callable[[Snapshot], Snapshot]:
    """Return what changes the platform's webhook configuration of a kind."""

    def plant(seen: Snapshot) -> Snapshot:
        found = copy.deepcopy(seen.configurations.get())
        for value in found:
            if (value["kind"], value["metadata"]["name"]) == (kind, GROUP):
                change(value["webhooks"][0])
        return dataclasses.replace(seen, configurations=Reading(found))

    return plant


def changed(kind: str, change: Callable[[Any, Snapshot], object]) -> Callable[[Snapshot], Snapshot]:
    """Return what changes the objects of a kind."""

    def plant(seen: Snapshot) -> Snapshot:
        values = copy.deepcopy(seen.each(kind))
        for value in values:
            change(value, seen)
        return dataclasses.replace(seen, objects={**seen.objects, kind: Reading(values)})

    return plant


def text(time: dt.datetime) -> str:
    return kube.time_text(time)


def condition(kind: str, status: str, reason: str) -> Callable[[Any, Snapshot], object]:
    """Return what sets a condition."""

    def change(value: Any, seen: Snapshot) -> None:
        entry = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": f"{reason} happened.",
            "lastTransitionTime": text(seen.now - HOUR),
        }
        value.setdefault("status", {})["conditions"] = [entry]

    return change


def run(
    phase: str = "Pending", reason: str = "WaitingForSlot", **more: Any
) -> Callable[[Snapshot], Snapshot]:
    """Return what gives the run a status, an hour old."""

    def change(value: Any, seen: Snapshot) -> None:
        condition("Blocked", "True", reason)(value, seen)
        value["status"] |= {
            "phase": phase,
            "reason": reason,
            "message": f"{reason} happened.",
            "observedGeneration": value["metadata"]["generation"],
            "attempt": 1,
            **{name: make(seen) for name, make in more.items()},
        }

    return changed("AgentRun", change)


def slots(*entries: tuple[str, Sequence[Any]]) -> Callable[[Snapshot], Snapshot]:
    """Return what writes slots to the ledger; each began an hour ago."""

    def plant(seen: Snapshot) -> Snapshot:
        since = (seen.now - HOUR).timestamp()
        written = {uid: [*slot[:3], since, *slot[3:]] for uid, slot in entries}
        book = copy.deepcopy(seen.book.get())
        assert book is not None
        book["data"] = {encoding.KEY: json.dumps({"slots": written})}
        return dataclasses.replace(seen, book=Reading(book))

    return plant


def lease(change: Callable[[Any, Snapshot], object]) -> Callable[[Snapshot], Snapshot]:
    def plant(seen: Snapshot) -> Snapshot:
        value = copy.deepcopy(seen.lease.get())
        assert value is not None
        change(value["spec"], seen)
        return dataclasses.replace(seen, lease=Reading(value))

    return plant


def one_of(part: str, key: str, result: Any) -> Callable[[Snapshot], Snapshot]:
    """Return what replaces one reading of a part that has several."""

    def plant(seen: Snapshot) -> Snapshot:
        parts: dict[str, Any] = {part: {**getattr(seen, part), key: Reading(result)}}
        return dataclasses.replace(seen, **parts)

    return plant


def clock(skew: dt.timedelta) -> Callable[[Snapshot], Snapshot]:
    def plant(seen: Snapshot) -> Snapshot:
        sample = ClockSample(seen.now + skew, seen.now, seen.now)
        return dataclasses.replace(seen, clock=Reading(sample))

    return plant


def served(lived: dt.timedelta, left: dt.timedelta) -> Callable[[Snapshot], Snapshot]:
    """Return what serves a certificate that was issued some time ago."""

    def plant(seen: Snapshot) -> Snapshot:
        issued = seen.now - lived
        root = authority.new_authority("test", now=issued)
        leaf = authority.issue_server(root, ["localhost"], now=issued, lifetime=lived + left)
        found = Handshake((), "localhost", 443, True, "", leaf.certificate_pem.decode())  # noqa: FBT003
        return dataclasses.replace(seen, handshakes=Reading((found,)))

    return plant


def refused(right: str, component: str) -> Callable[[Snapshot], Snapshot]:
    user = f"system:serviceaccount:{HOME}:{component}" if component == "controller" else ""
    review = AccessReview(
        component=component,
        user=user,
        verb="list",
        target=right,
        name="",
        namespace="",
        why="follow runs",
        is_allowed=False,
    )
    return reading(reviews=(review,))


def part(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return an object in the controller's namespace."""
    return {"kind": kind, "metadata": {"name": name, "namespace": HOME}, **fields}


def job(seen: Snapshot) -> Snapshot:
    value = part("Job", "run-x", status={"active": 1})
    value["metadata"] |= {
        "labels": {naming.RUN_LABEL: UID, naming.NAME_LABEL: "fix"},
        "creationTimestamp": text(seen.now - HOUR),
    }
    return dataclasses.replace(seen, jobs=Reading((value,)))


def deployment(available: int, version: str = "") -> Callable[[Snapshot], Snapshot]:
    value = part(
        "Deployment",
        "agents-controller",
        spec={"replicas": 2},
        status={"availableReplicas": available},
    )
    value["metadata"]["labels"] = {"app.kubernetes.io/version": version}
    return reading(deployments=(value,))


def event(seen: Snapshot) -> Snapshot:
    value = part(
        "Event",
        "x",
        type="Warning",
        reason="FailedCreate",
        note="pods are forbidden",
        eventTime=text(seen.now),
        regarding={"kind": "Job", "name": "run-x", "namespace": HOME, "apiVersion": "batch/v1"},
    )
    return dataclasses.replace(seen, events=Reading((value,)))


def annotated(annotation: str) -> Callable[[Snapshot], Snapshot]:
    return definition(
        lambda crd: crd["metadata"].setdefault("annotations", {}).update({IGNORE: annotation})
    )


def foreign(seen: Snapshot) -> Snapshot:
    webhook = {
        "name": "all.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "other", "name": "all"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "rules": [
            {
                "apiGroups": ["*"],
                "apiVersions": ["*"],
                "operations": ["*"],
                "resources": ["*"],
                "scope": "*",
            }
        ],
    }
    value = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "all.example.com"},
        "webhooks": [webhook],
    }
    return dataclasses.replace(seen, configurations=Reading((*seen.configurations.get(), value)))


def without_validation(seen: Snapshot) -> Snapshot:
    kept = [
        value
        for value in seen.configurations.get()
        if value["kind"] != "ValidatingWebhookConfiguration"
    ]
    return dataclasses.replace(seen, configurations=Reading(tuple(kept)))


def lossy(seen: Snapshot) -> Snapshot:
    trip = seen.round_trips["Memory v1alpha1"].get()
    answer = copy.deepcopy(trip.answer)
    assert answer is not None
    del answer["spec"]["connection"]
    return one_of("round_trips", "Memory v1alpha1", RoundTrip(trip.sent, answer))(seen)


def two_defaults(seen: Snapshot) -> Snapshot:
    (memory,) = copy.deepcopy(seen.each("Memory"))
    memory["spec"]["isDefault"] = True
    second = copy.deepcopy(memory)
    second["metadata"]["name"] = "second"
    return dataclasses.replace(seen, objects={**seen.objects, "Memory": Reading((memory, second))})


def first(crd: Any) -> Any:
    return crd["spec"]["versions"][0]


def spec_of(version: Any) -> Any:
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def poll(value: Any, seen: Snapshot) -> None:
    value.setdefault("status", {})["lastSyncTime"] = text(seen.now - HOUR)


def webhook_failed(value: Any, seen: Snapshot) -> None:
    del seen
    value["spec"]["ingestion"] = {"mode": "Webhook"}
    value["status"] = {
        "lastWebhook": {"status": "Failed", "externalId": "ENG-1", "error": "no such team"}
    }


def deleted(value: Any, seen: Snapshot) -> None:
    value["metadata"] |= {
        "deletionTimestamp": text(seen.now - HOUR),
        "finalizers": [naming.FINALIZER],
    }


def old(value: Any, seen: Snapshot) -> None:
    """The run was written an hour ago, and has no status yet."""
    value["metadata"]["creationTimestamp"] = text(seen.now - HOUR)
    for entry in value["metadata"].get("managedFields") or ():
        entry["time"] = text(seen.now - HOUR)
    value.pop("status", None)


def gone_version(value: Any, seen: Snapshot) -> None:
    del seen
    entry = {"manager": "argocd", "operation": "Apply", "apiVersion": f"{GROUP}/v1"}
    value["metadata"]["managedFields"] = [entry]


QUOTA = part(
    "ResourceQuota",
    "small",
    status={"hard": {"count/jobs.batch": "10", "pods": "5"}, "used": {"count/jobs.batch": "10"}},
)
CRASHING = part(
    "Pod",
    "agents-controller-x",
    status={
        "containerStatuses": [
            {
                "name": "controller",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }
        ]
    },
)
API_SERVER = "APIServer kube-apiserver"
CRD = f"CustomResourceDefinition {MEMORIES}"
MUTATING = f"MutatingWebhookConfiguration {GROUP}"
VALIDATING = f"ValidatingWebhookConfiguration {GROUP}"
LEASE = f"Lease {HOME}/{manager.LEASE}"
LEDGER = f"ConfigMap {HOME}/{manager.LEDGER}"
RUN = "AgentRun default/fix"
OF_VERSION = ("api-version", "managed-fields-kept")
