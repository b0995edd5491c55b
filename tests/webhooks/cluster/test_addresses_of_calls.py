"""Addresses of webhook calls: replacing a Service by a URL and the reverse."""

from typing import Any

import pytest

import crds
from webhooks.cluster import configuration

URL = configuration.at_url("https://127.0.0.1:9443")
SERVICE = configuration.at_service("agents", "webhooks")
REFERENCE = configuration.ServiceReference("agents", "webhooks", 443)


def installed(client_config: Any) -> list[Any]:
    """All webhook configurations as in a cluster: with a caBundle."""
    found = [
        *configuration.crds(crds.api, client_config),
        *configuration.configurations(crds.api, client_config),
    ]
    for config in map(configs, found):
        for one in config:
            one["caBundle"] = "eA=="
    return found


def configs(value: Any) -> list[Any]:
    if value["kind"] == "CustomResourceDefinition":
        return [value["spec"]["conversion"]["webhook"]["clientConfig"]]
    return [one["clientConfig"] for one in value["webhooks"]]


@pytest.mark.parametrize(("before", "after"), [(URL, SERVICE), (SERVICE, URL)])
def test_one_form_replaces_the_other_and_the_bundle_stays(before: Any, after: Any) -> None:
    manifests = installed(after)

    changed = [
        configuration.readdressed(current, manifest)
        for current, manifest in zip(installed(before), manifests, strict=True)
    ]

    assert [*map(configs, manifests)] == [configs(one) for one in changed if one is not None]


@pytest.mark.parametrize("form", [URL, SERVICE])
def test_same_form_is_left_to_the_apply(form: Any) -> None:
    for current, manifest in zip(installed(form), installed(form), strict=True):
        assert configuration.readdressed(current, manifest) is None


def test_url_may_end_with_a_slash() -> None:
    config = configuration.at_url("https://webhooks.example.com/")

    assert {"url": "https://webhooks.example.com/convert"} == config(configuration.CONVERT)


def test_manifests_clear_the_other_form() -> None:
    for form, cleared in ((URL, "service"), (SERVICE, "url")):
        for manifest in configuration.manifests(crds.api, form):
            if manifest["kind"].startswith(("Custom", "Mutating", "ValidatingWebhook")):
                assert [None] * len(configs(manifest)) == [
                    one[cleared] for one in configs(manifest)
                ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["webhooks.agents.svc"], True),
        (["*.agents.svc", "127.0.0.1"], True),
        (["127.0.0.1", "localhost"], False),
        (["webhooks.other.svc"], False),
    ],
)
def test_service_leads_to_who_has_its_name(names: list[str], *, expected: bool) -> None:
    assert expected == configuration.is_named(REFERENCE, names)
    assert configuration.service_of(SERVICE("/convert")) == REFERENCE
    assert configuration.service_of(URL("/convert")) is None
