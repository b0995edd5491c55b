"""Interprets pod statuses: why a pod does not run, and how it ended. Pure.

Reasons are those of the scheduler, the kubelet and k8s.io/api/core/v1; others may occur.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from controllers.runs import projections
from controllers.runs.projections import Waiting
from controllers.runs.runtimes.outcomes import End, exit_text
from crds.admission.pods import pod_sources

MAX_MESSAGE: Final = 400
EVICTED: Final = "Evicted"
PREEMPTED: Final = "Preempted"
NODE_LOST: Final = "NodeLost"
POD_DELETED: Final = "PodDeleted"
OOM_KILLED: Final = "OOMKilled"
STATUS_UNKNOWN: Final = "ContainerStatusUnknown"
INIT_FAILED: Final = "InitContainerFailed"
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
# Reasons of a container that starts normally.
_ORDINARY: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
# Reasons of a process that ended by itself; they add no information.
_PLAIN: Final = frozenset({"", "Completed", "Error"})
# SIGKILL and SIGTERM: sent by a kubelet to a deleted pod.
_KILLED: Final = frozenset({137, 143})
# Reasons of the condition DisruptionTarget.
_DISRUPTIONS: Final = {
    "PreemptionByScheduler": PREEMPTED,
    "DeletionByTaintManager": EVICTED,
    "EvictionByEvictionAPI": EVICTED,
    "DeletionByPodGC": NODE_LOST,
}
# Reasons of a pod that its node evicted or rejected; the program had no part in it.
_TAKEN_AWAY: Final = {
    EVICTED: EVICTED,
    NODE_LOST: NODE_LOST,
    "Preempting": PREEMPTED,
    "Terminated": "NodeShutdown",
    "NodeShutdown": "NodeShutdown",
    "Shutdown": "NodeShutdown",
    "OutOfcpu": "OutOfcpu",
    "OutOfmemory": "OutOfmemory",
    "OutOfpods": "OutOfpods",
    "NodeAffinity": "NodeAffinity",
}
# Eviction message of a pod that exceeded its own limit: k8s.io/kubernetes
# pkg/kubelet/eviction/eviction_manager.go.
_OWN_LIMIT: Final = re.compile(r"\bexceed(?:s|ed)\b.*\blimit\b")
_TEXTS: Final = {
    EVICTED: "The pod was evicted",
    PREEMPTED: "The pod was preempted",
    NODE_LOST: "The pod's node was lost",
    "NodeShutdown": "The pod's node was shut down",
    POD_DELETED: "The pod was deleted",
    STATUS_UNKNOWN: "The kubelet lost the container",
    "StartError": "The container did not start",
    "ContainerCannotRun": "The container did not start",
}


def word(reason: str, default: str) -> str:
    """Return a reason that is valid in a condition."""
    return reason if _WORD.fullmatch(reason) else default


def is_running(pod: projections.Pod) -> bool:
    """Return whether the runner's container is running."""
    return any(
        container.state.running is not None
        for container in pod.status.container_statuses
        if container.name == pod_sources.CONTAINER
    )


def waiting(pod: projections.Pod) -> Waiting | None:
    """Return why a pod has not started, as reported by the scheduler or the kubelet, or None."""
    for condition in pod.status.conditions:
        if (condition.type, condition.status) == ("PodScheduled", "False"):
            return Waiting(word(condition.reason, "Unschedulable"), condition.message)
    init = [
        Waiting(one.reason, f"init container {status.name}: {one.message or one.reason}")
        for status in pod.status.init_container_statuses
        if (one := status.state.waiting) is not None and one.reason not in _ORDINARY
    ]
    main = [container.state.waiting for container in pod.status.container_statuses]
    containers = (*init, *(state for state in main if state is not None))
    return next(
        (
            Waiting(word(container.reason, "ContainerWaiting"), container.message)
            for container in containers
            if container.reason not in _ORDINARY or container.message
        ),
        None,
    )


def why_waiting(pods: Iterable[projections.Pod]) -> Waiting | None:
    """Return why the first waiting pod has not started."""
    return next((why for why in map(waiting, pods) if why is not None), None)


def waiting_text(waiting: Waiting) -> str:
    """Format why a pod has not started, with a remedy."""
    why = f": {waiting.message}" if waiting.message else ""
    said = f"The pod has not started: {waiting.reason}{why}"[:MAX_MESSAGE]
    if "runAsNonRoot" not in waiting.message:
        return said
    return (
        f"{said}; pods must not run as root: for such an image, the operator's settings may set "
        "pods.runAsUser, or pods.runAsNonRoot: false (docs/policies.md)"
    )


# ------------------------------------------------------------------------------------- its end


def end(pod: projections.Pod) -> End:
    """Return how a pod ended, or that it was deleted."""
    terminated = pod.ended(pod_sources.CONTAINER)
    code = None if terminated is None else terminated.exit_code
    if pod.status.phase == "Succeeded":
        return End(exit_code=code or 0)
    reason, said, is_disruption = _why_ended(pod, terminated)
    if reason == OOM_KILLED:
        said = f"The container exceeded its memory limit: {exit_text(code or 0)}."
    elif reason:
        said = f"{_TEXTS.get(reason, reason)}: {said or reason}"[:MAX_MESSAGE]
    elif said and code:
        said = f"The agent exited with {exit_text(code)}: {said}"[:MAX_MESSAGE]
    else:
        said = ""
    return End(exit_code=code, reason=reason, message=said, is_disruption=is_disruption)


def _why_ended(
    pod: projections.Pod, terminated: projections.Terminated | None
) -> tuple[str, str, bool]:
    """Return reason, message and whether it was a disruption; empty for a normal exit."""
    status = pod.status
    disrupted = next(_disruptions(pod), None)
    if disrupted is not None or status.reason in _TAKEN_AWAY:
        reason = _DISRUPTIONS.get(disrupted.reason if disrupted else "")
        reason = reason or _TAKEN_AWAY.get(status.reason, EVICTED)
        said = status.message or (disrupted.message if disrupted else "")
        return reason, said, not _OWN_LIMIT.search(said)
    if status.reason and status.phase == "Failed":
        return word(status.reason, "PodFailed"), status.message, False
    if terminated is not None:
        reason, said = _reason_of(terminated), terminated.message
        is_killed = bool(pod.metadata.deletion_timestamp) and terminated.exit_code in _KILLED
        if is_killed and not reason and not said:
            return POD_DELETED, "a client deleted it", True
        # A report is interpreted elsewhere, and an invalid one is no message.
        is_text = not said.lstrip().startswith(("{", "["))
        return reason, said if is_text else "", reason == STATUS_UNKNOWN
    for container in status.init_container_statuses:
        if container.state.terminated is not None and container.state.terminated.exit_code:
            return INIT_FAILED, _init_text(container.name, container.state.terminated), False
    return (POD_DELETED, "a client deleted it", True) if not pod.has_ended else ("", "", False)


def _disruptions(pod: projections.Pod) -> Iterator[projections.PodCondition]:
    return (
        condition
        for condition in pod.status.conditions
        if (condition.type, condition.status) == ("DisruptionTarget", "True")
    )


def _reason_of(terminated: projections.Terminated | None) -> str:
    """Return the kubelet's reason, unless it only says that the process ended."""
    if terminated is None or terminated.reason in _PLAIN:
        return ""
    return word(terminated.reason, "")


def _init_text(name: str, ended: projections.Terminated) -> str:
    said = f": {ended.message}" if ended.message else ""
    return f"init container {name} exited with {exit_text(ended.exit_code)}{said}"


def last(pods: Iterable[projections.Pod]) -> projections.Pod | None:
    """Return the pod that determined a Job's outcome: the successful one, or the latest."""

    def rank(pod: projections.Pod) -> tuple[bool, str]:
        return pod.status.phase == "Succeeded", pod.metadata.creation_timestamp

    return max(pods, key=rank, default=None)
