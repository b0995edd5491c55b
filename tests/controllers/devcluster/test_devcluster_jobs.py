"""Decisions about a cluster that runs Jobs."""

import json
import re
from typing import Any

import pytest

from controllers.devcluster import jobs
from controllers.devcluster.versions import Version


@pytest.mark.parametrize(
    ("version", "served", "flags"),
    [
        (Version(1, 37, 2), "v1", []),
        (Version(1, 36, 0), "v1", []),
        (
            Version(1, 35, 9),
            "v1beta1",
            [
                "--feature-gates=MutatingAdmissionPolicy=true",
                "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
            ],
        ),
    ],
)
def test_policy_is_served_in_every_version(version: Version, served: str, flags: list[str]) -> None:
    policy, binding = (
        one for one in jobs.objects(version)["items"] if one["kind"].startswith("Mutating")
    )

    assert flags == jobs.api_server_flags(version)
    for one in (policy, binding):
        assert f"admissionregistration.k8s.io/{served}" == one["apiVersion"]
    assert policy["metadata"]["name"] == binding["spec"]["policyName"]


def test_stages_and_policy_agree_on_the_annotations() -> None:
    stages = jobs.KWOK_CONFIG.read_text()

    found = set(re.findall(r'"([^"/]+/)(?:seconds|exit-code|message|status)"', stages))

    assert {jobs.ANNOTATIONS} == found


@pytest.mark.parametrize(
    ("answer", "is_ready"),
    [
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, True),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, False),
        ({"status": {"conditions": [{"type": "PIDPressure", "status": "True"}]}}, False),
        ({"status": {}}, False),
        (None, False),
    ],
)
def test_node_is_ready_when_kwok_says_so(answer: Any, is_ready: bool) -> None:  # noqa: FBT001 - a case
    assert is_ready == jobs.is_node_ready(json.dumps(answer).encode() if answer else None)


@pytest.mark.parametrize(
    ("answer", "is_placed"),
    [
        ({"spec": {"nodeName": jobs.NODE}}, True),
        ({"spec": {"nodeName": "another"}}, False),
        ({"spec": {}}, False),
        (None, False),
    ],
)
def test_pod_is_placed_on_the_node(answer: Any, is_placed: bool) -> None:  # noqa: FBT001 - a case
    assert is_placed == jobs.is_placed(json.dumps(answer).encode() if answer else None)
