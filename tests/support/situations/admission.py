"""Situations: what a cluster does not take, or takes only later."""

from typing import Any, Final

from controllers import kube
from controllers.runs import naming, projections
from crds.admission.settings import Pods, Settings
from tests.support.situations.given import (
    BOTH,
    BY_HAND,
    ENDLESS,
    IMAGE,
    JOB,
    LIMIT_RANGES,
    SHORT,
    Given,
    Outage,
    Policy,
    manifest,
    quota,
    report,
    reporting,
)
from tests.support.situations.happenings import (
    LIFT_QUOTA,
    Change,
    Delete,
    DeleteJob,
    DeleteNamespace,
    Lift,
    Make,
    PatchJob,
    Relabel,
    Says,
    Stays,
    Until,
    ends,
    runs,
)
from tests.support.situations.situation import (
    OF_A_CANCEL,
    SUCCEEDED,
    Expected,
    Situation,
    failed,
    refused,
)

LABELLED: Final = Policy(
    name="cost-centre",
    expression="has(object.metadata.labels) && 'cost-centre' in object.metadata.labels",
    message="Jobs need the label cost-centre",
)
IMAGES: Final = Policy(
    name="images",
    expression=(
        "object.spec.template.spec.containers.all(c, c.image.startsWith('registry.example.com/'))"
    ),
    message="images must come from registry.example.com",
)
UNSUSPENDED: Final = Policy(
    name="no-suspended-jobs",
    expression="!has(object.spec.suspend) || !object.spec.suspend",
    message="Jobs must not be suspended when they are made",
    probe_suspends=True,
)
POD_LABELS: Final = Policy(
    name="pods-have-teams",
    expression="has(object.metadata.labels) && 'team' in object.metadata.labels",
    message="pods need the label team",
    kind="pods",
)
QUEUE: Final = Policy(
    name="like-kueue",
    expression="Object.spec{suspend: true}",
    condition=f"'{naming.RUN_LABEL}' in object.metadata.?labels.orValue({{}})",
    mutates=True,
)
SIDECAR: Final = Policy(
    name="sidecars",
    expression=(
        "Object.spec{containers: [Object.spec.containers{name: 'proxy', image: 'proxy:1'}]}"
    ),
    kind="pods",
    mutates=True,
)
OUTAGE: Final = Outage(name="outage")
SERVICE_ACCOUNTS: Final = kube.Resource("", "v1", "serviceaccounts", "ServiceAccount")
RESTRICTED: Final = "pod-security.kubernetes.io/enforce"
AS_ROOT: Final = Settings(
    pods=Pods(image=IMAGE, run_as_non_root=False, seccomp_profile="Unconfined")
)
CANCEL: Final = Change({"cancel": True})
CANCELLED: Final = Expected(phase=OF_A_CANCEL[0], reason=OF_A_CANCEL[1])


def _job_runtime(**more: Any) -> dict[str, Any]:
    return {"runtime": {"type": "Job", **more}}


DENIED: Final = (
    Situation(
        name="job-denied-by-policy",
        given=Given(policies=(LABELLED,), has_room_beside=False),
        happens=(
            Until("Failed", "SubmitFailed"),
            Says(("explain", "run"), (LABELLED.message,)),
            Says(("run", "wait", "run"), (LABELLED.message,), 1),
        ),
        expected=failed("SubmitFailed", LABELLED.message, jobs=0),
        runtimes=JOB,
    ),
    Situation(
        name="job-has-the-label-that-a-policy-wants",
        given=Given(
            policies=(LABELLED,),
            run=_job_runtime(labels={"cost-centre": "7"}),
            pods=ENDLESS,
            has_room_beside=False,
        ),
        happens=(Until("Running", "Running"), DeleteJob()),
        expected=failed("JobMissing", jobs=0),
        runtimes=JOB,
    ),
    Situation(
        name="job-goes-where-images-are-checked",
        given=Given(policies=(IMAGES,), pods=ENDLESS),
        happens=(Until("Running", "Running"), DeleteJob()),
        expected=failed("JobMissing"),
        runtimes=JOB,
    ),
    Situation(
        name="tombstone-refused",
        given=Given(policies=(UNSUSPENDED,), pods=ENDLESS),
        happens=(Until("Running", "Running"), DeleteJob()),
        expected=failed("JobMissing"),
        runtimes=JOB,
    ),
    Situation(
        name="step-denied-by-policy",
        given=Given(
            policies=(LABELLED,),
            run={"runtime": {"type": "Workflow", "workflow": {"steps": [{"name": "one"}]}}},
            has_room_beside=False,
        ),
        expected=failed("SubmitFailed|WorkflowStepFailed", LABELLED.message, jobs=0),
        runtimes=JOB,
    ),
)

WAITING: Final = (
    Situation(
        name="webhook-of-jobs-is-away",
        given=Given(policies=(OUTAGE,)),
        happens=(
            Until("Pending", "", "outage.example.com"),
            Says(("explain", "run"), ("outage.example.com",)),
            Lift(OUTAGE),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="quota-of-config-maps-is-used-up",
        given=Given(objects=(quota(config_maps="0"),)),
        happens=(Until("Pending", "QuotaExceeded", "exceeded quota"), LIFT_QUOTA),
        runtimes=JOB,
    ),
    Situation(
        name="quota-of-pods-is-used-up",
        given=Given(objects=(quota(pods="0"),)),
        happens=(
            Until("Starting", "FailedCreate", "exceeded quota"),
            Says(("explain", "run"), ("exceeded quota",)),
            LIFT_QUOTA,
        ),
        runtimes=JOB,
    ),
    Situation(
        name="quota-of-jobs-is-used-up-for-a-step",
        given=Given(
            objects=(quota(jobs="0"),),
            run={"runtime": {"type": "Workflow", "workflow": {"steps": [{"name": "one"}]}}},
        ),
        happens=(Until("Pending", "QuotaExceeded", "exceeded quota"), LIFT_QUOTA),
        runtimes=JOB,
    ),
    Situation(
        name="pods-denied-by-policy",
        given=Given(policies=(POD_LABELS,)),
        happens=(Until("Starting", "FailedCreate", POD_LABELS.message), Lift(POD_LABELS)),
        runtimes=JOB,
    ),
    Situation(
        name="pod-security-denies-pods",
        given=Given(namespace={RESTRICTED: "restricted"}, settings=AS_ROOT),
        happens=(
            Until("Starting", "FailedCreate", "violates PodSecurity"),
            Relabel({RESTRICTED: None}),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="pod-security-takes-pods-of-the-default-settings",
        given=Given(namespace={RESTRICTED: "restricted"}),
        runtimes=JOB,
    ),
    Situation(
        name="limit-range-denies-pods",
        given=Given(
            objects=(
                (
                    LIMIT_RANGES,
                    manifest(
                        LIMIT_RANGES,
                        "range",
                        spec={"limits": [{"type": "Container", "max": {"cpu": "100m"}}]},
                    ),
                ),
            ),
            run={"workload": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}},
        ),
        happens=(
            Until("Starting", "FailedCreate", "maximum cpu usage per Container is 100m"),
            Delete(LIMIT_RANGES, "range"),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="service-account-is-missing",
        given=Given(run=_job_runtime(podTemplate={"serviceAccountName": "nobody"})),
        happens=(
            Until("Starting", "FailedCreate", '"nobody" not found'),
            Make(SERVICE_ACCOUNTS, manifest(SERVICE_ACCOUNTS, "nobody")),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="priority-class-is-missing",
        given=Given(run=_job_runtime(podTemplate={"priorityClassName": "nowhere"})),
        happens=(
            Until("Starting", "FailedCreate", "no PriorityClass with name nowhere was found"),
            CANCEL,
        ),
        expected=CANCELLED,
        runtimes=JOB,
    ),
    Situation(
        name="pods-denied-until-the-start-timeout",
        given=Given(
            policies=(POD_LABELS,),
            agent={"runDefaults": {"startTimeout": "10s"}},
            has_room_beside=False,
        ),
        expected=failed("StartTimedOut", POD_LABELS.message),
        runtimes=JOB,
    ),
    Situation(
        name="queue-suspends-a-job-that-runs",
        given=Given(pods=BY_HAND),
        happens=(
            runs(),
            Until("Running", "Running"),
            PatchJob({"spec": {"suspend": True}}),
            Stays(3),
            PatchJob({"spec": {"suspend": False}}),
            runs(),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="queue-suspends-for-a-moment",
        given=Given(pods=BY_HAND),
        happens=(
            runs(),
            Until("Running", "Running"),
            PatchJob({"spec": {"suspend": True}}),
            PatchJob({"spec": {"suspend": False}}),
            runs(),
            ends(),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="queue-holds-a-run-longer-than-its-timeout",
        given=Given(
            policies=(QUEUE,), agent={"runDefaults": {"timeout": "9s"}}, has_room_beside=False
        ),
        happens=(
            Until("Starting", "JobSuspended"),
            Stays(10),
            PatchJob({"spec": {"suspend": False}}),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="policy-adds-a-sidecar",
        given=Given(policies=(SIDECAR,), pods=reporting(0, report(note="done"))),
        runtimes=JOB,
    ),
    Situation(
        name="namespace-is-deleted",
        given=Given(pods=ENDLESS, has_room_beside=False),
        happens=(Until("Running", "Running"), DeleteNamespace()),
        expected=Expected(is_gone=True),
        runtimes=JOB,
    ),
    Situation(
        name="namespace-is-deleted-before-the-run-starts",
        given=Given(run={"suspend": True}, has_room_beside=False),
        happens=(Until("Pending", "Suspended"), DeleteNamespace()),
        expected=Expected(is_gone=True),
    ),
)


def _steps(*names: str) -> dict[str, Any]:
    steps = [{"name": name} for name in names]
    return {"runtime": {"type": "Workflow", "workflow": {"steps": steps}}}


def _volume(name: str, path: str) -> dict[str, Any]:
    volume = {"name": name, "mountPath": path, "emptyDir": {}}
    return {"workload": {"volumes": [volume]}}


REFUSED: Final = tuple(
    Situation(name=name, given=Given(run=run), expected=refused(says), runtimes=JOB)
    for name, run, says in (
        ("step-name-of-words", _steps("Plan it!"), "spec.runtime.workflow.steps[0].name"),
        ("step-name-with-a-slash", _steps("build/test"), "spec.runtime.workflow.steps[0].name"),
        ("volume-name-with-capitals", _volume("Data_1", "/data"), "spec.workload.volumes[0].name"),
        (
            "loop-condition-that-is-no-cel",
            {
                "runtime": {
                    "type": "Workflow",
                    "workflow": {
                        "steps": [
                            {
                                "name": "s",
                                "loop": {"maxIterations": 2, "while": {"cel": "control.n >"}},
                            }
                        ]
                    },
                }
            },
            "spec.runtime.workflow.steps[s].loop.while.cel",
        ),
        (
            "loop-condition-of-an-unknown-variable",
            {
                "runtime": {
                    "type": "Workflow",
                    "workflow": {
                        "steps": [
                            {
                                "name": "s",
                                "loop": {"maxIterations": 2, "while": {"cel": "result.n < 3"}},
                            }
                        ]
                    },
                }
            },
            "spec.runtime.workflow.steps[s].loop.while.cel",
        ),
    )
)

OTHERS: Final = (
    Situation(
        name="volume-over-the-workspace",
        given=Given(run=_volume("a", "/workspace")),
        expected=failed("SubmitFailed", "must be unique", jobs=0),
        runtimes=JOB,
    ),
    Situation(
        name="volume-at-a-path-from-nowhere",
        given=Given(run=_volume("a", "some/where")),
        expected=SUCCEEDED,
        runtimes=JOB,
    ),
    Situation(
        name="agent-comes-later",
        given=Given(agent=None, has_room_beside=False),
        happens=(
            Until("Pending", "MissingAgent", "coder"),
            Make(
                projections.AGENTS,
                manifest(projections.AGENTS, "coder", spec={"providerRef": {"name": "provider"}}),
            ),
        ),
        expected=SUCCEEDED,
        runtimes=BOTH,
    ),
    Situation(
        name="run-is-suspended-at-first",
        given=Given(run={"suspend": True}, pods=SHORT),
        happens=(Until("Pending", "Suspended"), Change({"suspend": False})),
        runtimes=BOTH,
    ),
)

SITUATIONS: Final = (*DENIED, *WAITING, *REFUSED, *OTHERS)
