"""Rights are asked for the service accounts of the platform's Deployments."""

from collections.abc import Sequence
from typing import Any

import pytest

from controllers import kube
from controllers.agentctl import versions
from controllers.agentctl.diagnose.observation import AccessReview
from controllers.agentctl.diagnose.reading import probes

HOME = "agents"


def deployment(component: str, account: str | None, args: Sequence[str] | None) -> dict[str, Any]:
    container = {"name": "a", **({} if args is None else {"args": [*args]})}
    pod = {"containers": [container], **({"serviceAccountName": account} if account else {})}
    metadata = {"name": component, "namespace": HOME, "labels": {versions.COMPONENT: component}}
    return {"metadata": metadata, "spec": {"template": {"spec": pod}}}


def asked(*deployments: kube.JSON, namespace: str | None = None) -> list[AccessReview]:
    return [*probes.asked_of_components(deployments, HOME, namespace)]


@pytest.mark.parametrize(
    ("args", "namespace"),
    [
        (None, ""),
        ([], ""),
        (["controller"], ""),
        (["controller", "--namespace", "team"], "team"),
        (["controller", "--namespace=team"], "team"),
        (["controller", "--namespace", "all"], ""),
        (["controller", "--namespace"], ""),
    ],
)
def test_controller_of_a_namespace_needs_rights_there(
    args: Sequence[str] | None, namespace: str
) -> None:
    reviews = asked(deployment("controller", "runner", args))

    (review,) = (
        one
        for one in reviews
        if (one.component, one.verb, one.target)
        == ("controller", "patch", "agentruns/status.agents.proompteng.ai")
    )
    assert (f"system:serviceaccount:{HOME}:runner", namespace) == (review.user, review.namespace)


def test_users_are_the_accounts_of_deployments_or_else_the_current_one() -> None:
    reviews = asked(deployment("controller", None, None))

    users = {(one.component, one.user) for one in reviews}
    assert {("controller", f"system:serviceaccount:{HOME}:default"), ("webhook", "")} == users


def test_rights_that_depend_on_values_of_the_chart_are_not_asked_for() -> None:
    targets = {(one.verb, one.target) for one in asked()}

    assert ("create", "jobs.batch") in targets
    assert ("delete", "agentruns.agents.proompteng.ai") not in targets
