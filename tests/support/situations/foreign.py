"""Situations: what policies, quotas, queues and users do to the Jobs of runs."""

from typing import Final

from tests.support.situations.given import ENDLESS, IMAGE, JOB, SHORT, Given, Policy, quota, retries
from tests.support.situations.happenings import (
    LIFT_QUOTA,
    DeleteJob,
    DeletePod,
    Enforce,
    PatchJob,
    Stays,
    Until,
)
from tests.support.situations.situation import Situation, failed

LABELLED: Final = Policy(
    name="cost-center",
    expression="has(object.metadata.labels) && 'cost-center' in object.metadata.labels",
    message="Jobs need the label cost-center",
)
# As Kueue does at the creation of each Job (manageJobsWithoutQueueName).
QUEUED: Final = Policy(
    name="queue",
    expression="Object.spec{suspend: true}",
    mutates=True,
    condition="has(object.metadata.labels) && 'agents.proompteng.ai/run-uid' in "
    "object.metadata.labels",
)
IMAGES: Final = Policy(
    name="images",
    expression="object.spec.template.spec.containers.all(c, c.image == '" + IMAGE + "')",
    message="images come from registry.example.com",
)
NO_JOBS: Final = Policy(name="no-jobs", expression="false", message="no Jobs today")

SITUATIONS: Final[tuple[Situation, ...]] = (
    Situation(
        name="job-denied",
        given=Given(policies=(LABELLED,), has_room_beside=False),
        expected=failed("SubmitFailed", "Jobs need the label cost-center", jobs=0),
        runtimes=JOB,
    ),
    Situation(
        name="job-denied-with-retries",
        given=Given(policies=(LABELLED,), agent=retries(3), has_room_beside=False),
        expected=failed("SubmitFailed", "Jobs need the label cost-center", jobs=0),
        runtimes=JOB,
    ),
    Situation(
        name="job-of-an-image-denied",
        given=Given(policies=(IMAGES,), run={"workload": {"image": "docker.io/evil:1"}}),
        expected=failed("SubmitFailed", "images come from registry.example.com", jobs=0),
        runtimes=JOB,
    ),
    Situation(
        name="job-waits-for-a-quota",
        given=Given(objects=(quota(jobs="0"),), has_room_beside=False),
        happens=(Until("Pending", "QuotaExceeded", "exceeded quota"), LIFT_QUOTA),
        runtimes=JOB,
    ),
    Situation(
        name="job-suspended-by-a-queue",
        given=Given(policies=(QUEUED,), pods=SHORT, has_room_beside=False),
        happens=(
            Until("Starting", "JobSuspended", "such as a queue"),
            Stays(),
            PatchJob({"spec": {"suspend": False}}),
        ),
        runtimes=JOB,
    ),
    Situation(
        name="job-preempted-by-a-queue",
        given=Given(pods=ENDLESS),
        happens=(
            Until("Running"),
            PatchJob({"spec": {"suspend": True}}),
            Stays(),
            PatchJob(
                {
                    "spec": {
                        "suspend": False,
                        "template": {"metadata": {"annotations": {"note": "let go"}}},
                    }
                }
            ),
            Until("Running", "Running"),
            DeleteJob(),
        ),
        expected=failed("JobMissing", "was deleted"),
        runtimes=JOB,
    ),
    Situation(
        name="job-deleted-without-its-pod",
        given=Given(pods=ENDLESS),
        happens=(
            *(Until("Running", "Running"), DeleteJob("Orphan")),
            *(Until("Running", "JobMissing", "its pods still exist"), Stays(), DeletePod()),
        ),
        expected=failed("JobMissing", "was deleted"),
        runtimes=JOB,
    ),
    Situation(
        name="job-deleted-where-none-may-take-its-place",
        given=Given(pods=ENDLESS, has_room_beside=False),
        happens=(Until("Running", "Running"), Enforce(NO_JOBS), DeleteJob()),
        expected=failed("JobMissing", "no Jobs today"),
        runtimes=JOB,
    ),
)
