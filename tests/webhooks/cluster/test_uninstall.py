"""The order in which webhooks are removed from a cluster, and the consequences."""

from typing import Any

from certs import injector
from controllers import kube
from webhooks.cluster import uninstall

VALIDATING = injector.Target(kube.VALIDATING_WEBHOOK_CONFIGURATIONS, "example.com")


def crd(
    name: str, *versions: tuple[str, bool, str], stored: tuple[str, ...], strategy: str = "Webhook"
) -> dict[str, Any]:
    """A CRD with versions (name, whether served, schema); the last one is stored."""
    return {
        "metadata": {"name": name},
        "spec": {
            "conversion": {"strategy": strategy},
            "versions": [
                {
                    "name": version,
                    "served": served,
                    "storage": version == versions[-1][0],
                    "schema": {"openAPIV3Schema": {"description": schema}},
                }
                for version, served, schema in versions
            ],
        },
        "status": {"storedVersions": [*stored]},
    }


def test_one_version_costs_nothing() -> None:
    found = uninstall.plan([crd("a", ("v1", True, "x"), stored=("v1",))], [VALIDATING])

    steps = (
        "set the conversion of a to None",
        "delete validatingwebhookconfigurations/example.com",
    )
    assert (steps, ()) == (tuple(map(str, found.steps)), found.costs)


def test_versions_of_one_shape_cost_nothing() -> None:
    both = crd("a", ("v1", True, "x"), ("v2", True, "x"), stored=("v1", "v2"))

    found = uninstall.plan([both], [])

    assert (("set the conversion of a to None",), ()) == (
        tuple(map(str, found.steps)),
        found.costs,
    )


def test_other_versions_are_rewritten_and_unserved_before_any_conversion_ends() -> None:
    first = crd("a", ("v1", True, "x"), ("v2", True, "y"), stored=("v1", "v2"))
    second = crd("b", ("v1", True, "x"), ("v2", True, "y"), stored=("v2",))

    found = uninstall.plan([first, second], [VALIDATING])

    assert [
        "rewrite the objects of a that are stored as v1",
        "stop serving v1 of a",
        "stop serving v1 of b",
        "set the conversion of a to None",
        "set the conversion of b to None",
        "delete validatingwebhookconfigurations/example.com",
    ] == [*map(str, found.steps)]
    served = (
        "{} serves v1 besides v2: without conversion they would be read and written as v2, "
        "and fields would be lost"
    )
    stored = "a may have objects stored as v1: without conversion they would be read as v2"
    assert (served.format("a"), stored, served.format("b")) == found.costs


def test_what_calls_no_webhook_is_left() -> None:
    none = crd("a", ("v1", True, "x"), ("v2", True, "y"), stored=("v1",), strategy="None")

    assert uninstall.Plan((), ()) == uninstall.plan([none], [])
