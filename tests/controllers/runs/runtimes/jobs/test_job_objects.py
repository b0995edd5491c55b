"""A Job and its ConfigMap are bounded before they are built."""

import dataclasses
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from controllers.runs import naming, projections
from controllers.runs.runtimes.base import Code, RuntimeFault, Work
from controllers.runs.runtimes.jobs import job_objects
from crds.admission import settings
from crds.admission.pods import pod_sources

LARGE = "x" * 500_000
PODS = settings.Pods(image="runner")
TOO_LARGE = (
    "expected the provider's rendered templates to have at most 1048576 bytes, got more: "
    "shorten the inputs, or use them less often"
)


def work(**provider: Any) -> Work:
    return Work(
        namespace="team",
        run="fix",
        uid="uid-1",
        attempt=1,
        spec={},
        provider=provider,
        run_json={},
        runner_json={"inputs": {"large": LARGE, "small": "s"}},
        pods=PODS,
    )


def files(number: int, times: int) -> list[dict[str, str]]:
    content = "{{inputs.large}}" * times
    return [{"path": f"/workspace/{index}", "content": content} for index in range(number)]


def job(piece: Work) -> dict[str, Any]:
    return job_objects.job("uid-1/1", piece)


def config_map(piece: Work) -> dict[str, Any]:
    return job_objects.config_map("uid-1/1", piece)


ENV = [{"name": f"V{index}", "value": "{{inputs.large}}"} for index in range(50)]


@pytest.mark.parametrize(
    ("make", "piece"),
    [
        (config_map, work(files=files(1, 4000))),
        (config_map, work(files=files(3, 1))),
        (job, work(runner={"args": ["{{inputs.large}}"] * 3})),
        (job, work(env=ENV)),
        (job, work(runner={"args": ["{{inputs.large}}"]}, env=ENV[:2])),
    ],
)
def test_templates_of_one_object_are_bounded_together(
    make: Callable[[Work], dict[str, Any]], piece: Work
) -> None:
    tracemalloc.start()
    with pytest.raises(RuntimeFault) as caught:
        make(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (Code.TERMINAL, TOO_LARGE) == (caught.value.code, caught.value.message)
    assert most < 8_000_000


def test_templates_that_fit_are_filled_in() -> None:
    piece = work(files=files(2, 1), runner={"args": ["{{inputs.small}}"]})

    made = config_map(piece)["data"]

    assert (LARGE, LARGE) == (made["input-0"], made["input-1"])
    assert ["s"] == job(piece)["spec"]["template"]["spec"]["containers"][0]["args"]


def test_job_does_not_fill_in_files() -> None:
    """The ConfigMap contains them; naming their paths is enough."""
    (container,) = job(work(files=files(1, 4000)))["spec"]["template"]["spec"]["containers"]

    assert "/workspace/0" in [one["mountPath"] for one in container["volumeMounts"]]


@pytest.mark.parametrize(("limit", "is_counted"), [(0, True), (3, False)])
def test_job_that_repeats_its_pod_does_not_count_what_was_taken_away(
    limit: int, *, is_counted: bool
) -> None:
    spec = job(dataclasses.replace(work(), spec={"runtime": {"backoffLimit": limit}}))["spec"]

    disrupted = {"type": "DisruptionTarget", "status": "True"}
    rule = {"action": "Ignore", "onPodConditions": [disrupted]}
    assert (None if is_counted else {"rules": [rule]}) == spec.get("podFailurePolicy")


def test_prompt_has_a_path_like_any_file() -> None:
    prompt = {"inline": "Be kind."}
    piece = dataclasses.replace(work(files=files(1, 1)), system_prompt=prompt)

    (container,) = job(piece)["spec"]["template"]["spec"]["containers"]

    mounts = {one["mountPath"]: one.get("subPath") for one in container["volumeMounts"]}
    assert "input-1" == mounts[pod_sources.SYSTEM_PROMPT]
    assert "Be kind." == config_map(piece)["data"]["input-1"]


def test_labels_and_annotations_of_the_run_are_the_jobs_and_its_pods() -> None:
    """Keys with a meaning for the controller are dropped, whatever policies allow."""
    queue, ours = "kueue.x-k8s.io/queue-name", "agents.proompteng.ai/tombstone"
    asked = {
        "labels": {queue: "batch", ours: "true", "agents.proompteng.ai/run-uid": "another"},
        "annotations": {"cost-center": "7", "agents.proompteng.ai/cancelled": "true"},
        "extraConfig": {"podAnnotations": {"cost-center": "6", "note": "x"}},
    }
    piece = dataclasses.replace(work(), spec={"runtime": asked})

    made = job(piece)
    (tombstone, *_) = job_objects.tombstones("uid-1/1", piece)

    metadata, pod = made["metadata"], made["spec"]["template"]["metadata"]
    assert metadata["labels"] == pod["labels"]
    assert ("batch", "uid-1") == (metadata["labels"][queue], metadata["labels"][naming.RUN_LABEL])
    assert ours not in metadata["labels"]
    assert {"cost-center": "7", naming.KEY_ANNOTATION: "uid-1/1", naming.TTL_ANNOTATION: "600"} == (
        metadata["annotations"]
    )
    assert ("7", "x") == (pod["annotations"]["cost-center"], pod["annotations"]["note"])
    assert ("batch", "7") == (
        tombstone["metadata"]["labels"][queue],
        tombstone["metadata"]["annotations"]["cost-center"],
    )


@pytest.mark.parametrize(
    ("runtime", "seconds"),
    [
        ({}, "600"),
        ({"jobTTL": "1h"}, "3600"),
        ({"jobTTL": "1h", "logRetention": "2h"}, "7200"),
        ({"jobTTL": "2h", "logRetention": "1h"}, "7200"),
        ({"logRetention": "30s"}, "600"),
        ({"logRetention": "1000h"}, str(7 * 24 * 3600)),
        ({"jobTTL": "0s", "logRetention": "1h"}, "0"),
    ],
)
def test_job_is_kept_as_long_as_its_logs(runtime: dict[str, str], seconds: str) -> None:
    made = job(dataclasses.replace(work(), spec={"runtime": runtime}))

    assert seconds == made["metadata"]["annotations"][naming.TTL_ANNOTATION]


@pytest.mark.parametrize(
    ("suspend", "seen", "started", "is_held"),
    [
        (True, "True", "", True),
        (True, "", "", True),
        # Let go, and the Job controller has not seen it: no time of the attempt has begun.
        (False, "True", "", True),
        (False, "False", "2026-11-28T12:00:00Z", False),
        (False, "", "", False),
    ],
)
def test_job_is_held_until_its_controller_has_seen_that_it_was_let_go(
    suspend: bool,  # noqa: FBT001 - a case
    seen: str,
    started: str,
    is_held: bool,  # noqa: FBT001 - likewise
) -> None:
    conditions = [{"type": "Suspended", "status": seen}] if seen else []
    status = {"conditions": conditions, "startTime": started}
    body = {"metadata": {"name": "run-x"}, "spec": {"suspend": suspend}, "status": status}

    assert is_held == job_objects.is_held(projections.of(projections.Job, body))
