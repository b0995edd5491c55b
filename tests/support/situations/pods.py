"""Situations: why pods do not start, and how they end."""

import dataclasses
from collections.abc import Iterator
from typing import Final

from tests.support.situations.given import BY_HAND, JOB, Given, retries
from tests.support.situations.happenings import (
    DeletePod,
    HoldPod,
    PatchJob,
    PodStatus,
    Says,
    Until,
    container,
    ends,
    init_waits,
    runs,
    unscheduled,
    waits,
)
from tests.support.situations.situation import SUCCEEDED, Expected, Situation, failed

GIVEN: Final = Given(pods=BY_HAND)
RETRIED: Final = Given(pods=BY_HAND, agent=retries(1))

# Reason, message, and whether a kubelet goes on trying.
WAITING: Final = (
    ("ImagePullBackOff", 'Back-off pulling image "registry.example.com/nix:9": not found'),
    ("ErrImagePull", "failed to pull and unpack image: unexpected status 503"),
    ("InvalidImageName", "couldn't parse image name: invalid reference format"),
    ("ErrImageNeverPull", "Container image is not present with pull policy of Never"),
    ("CreateContainerConfigError", 'secret "tracker" not found'),
    ("CreateContainerError", "context deadline exceeded"),
    ("RunContainerError", "failed to start container: no such file or directory"),
    ("HibernatingNode", "a reason of a kubelet of next year"),
)


def _waiting() -> Iterator[Situation]:
    """A kubelet says why it does not start a container; later it does."""
    for reason, message in WAITING:
        yield Situation(
            name=f"pod-waits-{reason}",
            given=GIVEN,
            happens=(
                waits(reason, message),
                Until("Starting", reason, message),
                runs(),
                Until("Running", "Running"),
                ends(),
            ),
            expected=SUCCEEDED,
            runtimes=JOB,
        )


ENDINGS: Final = (
    (
        "pod-oom-killed",
        ends(137, "OOMKilled"),
        failed("OOMKilled", "137", status={"runner": {"exitCode": 137}}),
    ),
    (
        "pod-start-error",
        ends(128, "StartError", "exec: agent-runner: executable file not found in $PATH"),
        failed("StartError", "executable file not found"),
    ),
    (
        "pod-cannot-run",
        ends(127, "ContainerCannotRun", "OCI runtime create failed"),
        failed("ContainerCannotRun", "OCI runtime create failed"),
    ),
    (
        "pod-lost-status-unknown",
        ends(
            137,
            "ContainerStatusUnknown",
            "The container could not be located when the pod was terminated",
            startedAt=None,
            finishedAt=None,
        ),
        failed("ContainerStatusUnknown", "could not be located"),
    ),
    (
        "pod-deadline-exceeded",
        ends(
            137,
            "Error",
            pod_reason="DeadlineExceeded",
            pod_message="Pod was active on the node longer than the specified deadline",
        ),
        failed("DeadlineExceeded|TimedOut"),
    ),
    ("pod-killed-by-sigkill", ends(137), failed("RunnerFailed", "SIGKILL")),
    ("pod-killed-by-sigsegv", ends(139), failed("RunnerFailed", "SIGSEGV")),
    ("pod-killed-by-sigterm", ends(143), failed("RunnerFailed", "SIGTERM")),
    ("pod-exits-255", ends(255), failed("RunnerFailed", "255")),
    ("pod-exits-with-a-huge-code", ends(2147483647), failed("RunnerFailed", "2147483647")),
    ("pod-exits-below-zero", ends(-1073741819), failed("RunnerFailed", "-1073741819")),
    (
        "pod-ends-before-1970",
        ends(3, startedAt="0001-01-01T00:00:00Z", finishedAt="1969-12-31T23:59:59Z"),
        failed("RunnerFailed", "3"),
    ),
    (
        "pod-ends-for-an-unknown-reason",
        ends(9, "SomethingOfNextYear", "what a kubelet of next year says"),
        failed("RunnerFailed|SomethingOfNextYear"),
    ),
)


def _endings() -> Iterator[Situation]:
    """A container that ran ends, and a kubelet says why."""
    for name, ending, expected in ENDINGS:
        yield Situation(
            name=name,
            given=GIVEN,
            happens=(runs(), Until("Running", "Running"), ending),
            expected=expected,
            runtimes=JOB,
        )


DISRUPTIONS: Final = (
    (
        "pod-evicted",
        PodStatus(
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "The node was low on resource: memory.",
                "containerStatuses": [],
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "TerminationByKubelet",
                        "message": "The node was low on resource: memory.",
                    }
                ],
            }
        ),
    ),
    (
        "pod-evicted-without-a-condition",
        PodStatus(
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "The node was low on resource: ephemeral-storage.",
                "containerStatuses": [],
            }
        ),
    ),
    ("pod-preempted", ends(143, disruption="PreemptionByScheduler")),
    ("pod-of-a-tainted-node", ends(143, disruption="DeletionByTaintManager")),
    ("pod-evicted-by-api", ends(143, disruption="EvictionByEvictionAPI")),
    (
        "pod-of-a-lost-node",
        ends(
            137, pod_reason="NodeLost", pod_message="Node x which was running pod y is unresponsive"
        ),
    ),
    (
        "pod-of-a-node-that-shuts-down",
        ends(
            143,
            pod_reason="Terminated",
            pod_message="Pod was terminated in response to imminent node shutdown.",
            disruption="TerminationByKubelet",
        ),
    ),
)


def _disruptions() -> Iterator[Situation]:
    """What the cluster takes away uses up no retry, and is not repeated where none is allowed."""
    for name, ending in DISRUPTIONS:
        taken = (runs(), Until("Running", "Running"), ending)
        yield Situation(
            name=name,
            given=RETRIED,
            happens=(*taken, *taken, runs(), ends()),
            expected=dataclasses.replace(SUCCEEDED, status={"attempt": 3, "disruptions": 2}),
            runtimes=JOB,
        )
        yield Situation(
            name=f"{name}-without-retries",
            given=GIVEN,
            happens=(runs(), Until("Running", "Running"), ending),
            expected=failed("Evicted|Preempted|NodeLost|NodeShutdown"),
            runtimes=JOB,
        )


OTHERS: Final = (
    Situation(
        name="pod-unschedulable",
        given=Given(pods={**BY_HAND, "node": "none"}),
        happens=(
            unscheduled("0/3 nodes are available: 3 Insufficient cpu."),
            Until("Starting", "Unschedulable", "3 Insufficient cpu"),
            Says(("explain", "run"), ("Insufficient cpu",)),
            runs(),
            Until("Running", "Running"),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="pod-gated",
        given=Given(pods={**BY_HAND, "node": "none"}),
        happens=(
            unscheduled(
                "Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated"
            ),
            Until("Starting", "SchedulingGated"),
            runs(),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="pod-that-nobody-says-anything-of",
        given=GIVEN,
        happens=(Until("Starting"), runs(), ends()),
        runtimes=JOB,
    ),
    Situation(
        name="pod-cannot-start-is-said-by-all-commands",
        given=GIVEN,
        happens=(
            waits("ImagePullBackOff", "Back-off pulling image"),
            Until("Starting", "ImagePullBackOff"),
            Says(("explain", "run"), ("Starting", "Back-off pulling image")),
            Says(("run", "wait", "run", "--for", "running", "--timeout", "2s"), ("Back-off",), 4),
            Says(("run", "logs", "run"), ("Back-off pulling image",), 1),
            runs(),
            Says(("run", "wait", "run", "--for", "running", "--timeout", "20s"), ("Running",), 0),
            ends(137, "OOMKilled"),
            Until("Failed", "OOMKilled"),
            Says(("run", "wait", "run"), ("OOMKilled",), 1),
            Says(("explain", "run"), ("OOMKilled",)),
        ),
        expected=failed("OOMKilled"),
        runtimes=JOB,
    ),
    Situation(
        name="init-container-cannot-be-pulled",
        given=GIVEN,
        happens=(
            init_waits("ImagePullBackOff", "Back-off pulling image istio/proxyv2"),
            Until("Starting", "ImagePullBackOff", "istio/proxyv2"),
            runs(),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="init-container-fails",
        given=GIVEN,
        happens=(
            PodStatus(
                {
                    "phase": "Failed",
                    "initContainerStatuses": [
                        container(
                            {
                                "terminated": {
                                    "exitCode": 2,
                                    "reason": "Error",
                                    "message": "no route",
                                }
                            },
                            "istio-init",
                        )
                    ],
                    "containerStatuses": [container({"waiting": {"reason": "PodInitializing"}})],
                }
            ),
        ),
        expected=Expected(phase="Failed", reason="InitContainerFailed"),
        runtimes=JOB,
    ),
    Situation(
        name="sidecar-fails-where-the-agent-succeeded",
        given=GIVEN,
        happens=(
            runs(),
            PodStatus(
                {
                    "phase": "Failed",
                    "containerStatuses": [
                        container({"terminated": {"exitCode": 0, "reason": "Completed"}}),
                        container({"terminated": {"exitCode": 137, "reason": "Error"}}, "sidecar"),
                    ],
                }
            ),
        ),
        # The Job failed; the agent itself ended well.
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="pod-start-timeout",
        given=Given(pods=BY_HAND, agent={"runDefaults": {"startTimeout": "4s"}}),
        happens=(waits("ImagePullBackOff", "Back-off pulling image"),),
        expected=failed("StartTimedOut", "Back-off pulling image"),
        runtimes=JOB,
    ),
    Situation(
        name="timeout-while-the-pod-cannot-start",
        given=Given(pods=BY_HAND, agent={"runDefaults": {"timeout": "4s"}}),
        happens=(waits("ImagePullBackOff", "Back-off pulling image"),),
        expected=failed("TimedOut"),
        runtimes=JOB,
    ),
    Situation(
        name="pod-status-without-anything",
        given=GIVEN,
        happens=(
            PodStatus({"phase": "Pending", "containerStatuses": None, "conditions": None}),
            PodStatus({"phase": "Unknown", "containerStatuses": [], "reason": "NodeLost"}),
            runs(),
            PodStatus({"phase": "Succeeded", "containerStatuses": None}),
        ),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="pod-says-more-than-anybody-reads",
        given=GIVEN,
        happens=(
            waits("ImagePullBackOff", "x" * 30_000),
            Until("Starting", "ImagePullBackOff"),
            runs(),
            ends(3, "Error", "y" * 30_000, pod_reason="Z" * 3000, pod_message="z" * 30_000),
        ),
        expected=failed("PodFailed"),
        runtimes=JOB,
    ),
    Situation(
        name="pod-deleted-by-hand",
        given=RETRIED,
        happens=(runs(), Until("Running", "Running"), DeletePod(), runs(), ends()),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="pod-that-does-not-go",
        given=GIVEN,
        happens=(
            HoldPod(),
            runs(),
            Until("Running", "Running"),
            ends(),
            HoldPod(holds=False),
        ),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="job-deadline-exceeded",
        given=GIVEN,
        happens=(runs(), PatchJob({"spec": {"activeDeadlineSeconds": 1}})),
        expected=failed("TimedOut"),
        runtimes=JOB,
    ),
    Situation(
        name="job-with-conditions-of-next-year",
        given=GIVEN,
        happens=(
            runs(),
            PatchJob(
                {
                    "status": {
                        "conditions": [
                            {"type": "Hibernated", "status": "Unknown", "reason": "Night"},
                        ]
                    }
                },
                "status",
            ),
            ends(),
        ),
        runtimes=JOB,
    ),
)

SITUATIONS: Final = (*_waiting(), *_endings(), *_disruptions(), *OTHERS)
