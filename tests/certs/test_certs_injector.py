import asyncio
import base64
import copy
import datetime as dt
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from certs import authority, injector
from controllers import kube

NOW = dt.datetime.now(dt.UTC)
CA_PEM = authority.new_authority("one", now=NOW).certificate_pem
NEXT_PEM = CA_PEM + authority.new_authority("two", now=NOW).certificate_pem
ENCODED = base64.b64encode(CA_PEM).decode()
INSTALLER = "installer"
# Who owns nothing but the bundle, in the words of managedFields.
OF_THE_CRD: kube.JSON = {
    "f:spec": {"f:conversion": {"f:webhook": {"f:clientConfig": {"f:caBundle": {}}}}}
}

_numbers = itertools.count()


def crd(group: str) -> kube.JSON:
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": {"type": "object"}},
        }
        for name in ("v1", "v2")
    ]
    client_config = {"url": "https://127.0.0.1:9443/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": client_config}
    return {
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "plural": "things",
                "singular": "thing",
                "kind": "Thing",
                "listKind": "ThingList",
            },
            "versions": versions,
            "conversion": {"strategy": "Webhook", "webhook": webhook},
        },
    }


def configuration(name: str, *webhooks: str) -> kube.JSON:
    # Of a group that no object has, and ignored when it fails: others use this API server too.
    rule = {
        "apiGroups": ["absent.kubewright.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["*"],
    }
    return {
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": webhook,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
                "clientConfig": {"url": "https://127.0.0.1:9443/review"},
                "rules": [rule],
            }
            for webhook in webhooks
        ],
    }


@pytest.mark.parametrize("manager", ["cert-manager-cainjector", "cainjector", "cainjector-v1"])
def test_bundle_that_cainjector_owns_is_left_alone(manager: str) -> None:
    target = injector.Target(kube.CUSTOM_RESOURCE_DEFINITIONS, "things.example.com")
    current = crd("example.com")
    current["metadata"] |= {"uid": "1", "resourceVersion": "1"}
    owned = {"manager": manager, "operation": "Update", "fieldsV1": OF_THE_CRD}

    with pytest.raises(injector.ForeignBundleError, match=f"one of {manager}:"):
        injector.stanza(
            target,
            current | {"metadata": current["metadata"] | {"managedFields": [owned]}},
            ENCODED,
        )
    status = owned | {"fieldsV1": {"f:status": {}}}
    current["metadata"]["managedFields"] = [status, owned | {"manager": "kubewright-certs"}]
    assert injector.stanza(target, current, ENCODED) is not None


WEBHOOKS = ("a.kubewright.dev", "b.kubewright.dev")
CONFIGURATIONS = (kube.VALIDATING_WEBHOOK_CONFIGURATIONS, kube.MUTATING_WEBHOOK_CONFIGURATIONS)


class Installed:
    """A CRD and both configurations with one name, as an installer applied them."""

    def __init__(self, client: kube.Client) -> None:
        number = next(_numbers)
        group = f"injected{number}.kubewright.dev"
        self.name = f"injected{number}"
        self.crd = f"things.{group}"
        self.manifests = {
            kube.CUSTOM_RESOURCE_DEFINITIONS: crd(group),
            **{kind: configuration(self.name, *WEBHOOKS) for kind in CONFIGURATIONS},
        }
        self._client = client

    async def apply(self) -> None:
        for resource, manifest in self.manifests.items():
            await self._client.apply(resource, manifest, field_manager=INSTALLER)

    async def conditions(self) -> set[str]:
        """The conditions of the CRD that are true."""
        found = await self._client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, self.crd)
        conditions = found.get("status", {}).get("conditions") or ()
        return {each["type"] for each in conditions if each["status"] == "True"}

    async def inject(self, ca_pem: bytes = CA_PEM) -> list[str]:
        written = await injector.inject(
            self._client,
            ca_pem,
            crds=[self.crd],
            validating=[self.name],
            mutating=[self.name],
        )
        return [str(target) for target in written]

    async def read(self) -> list[kube.JSON]:
        return [
            await self._client.get(resource, manifest["metadata"]["name"])
            for resource, manifest in self.manifests.items()
        ]


@pytest.fixture
async def installed(client: kube.Client) -> AsyncIterator[Installed]:
    given = Installed(client)
    await given.apply()
    # Until then the API server itself writes into the CRD's status, and so its resourceVersion.
    while "Established" not in await given.conditions():  # noqa: ASYNC110 - the cluster's event
        await asyncio.sleep(0.05)
    yield given
    for resource, manifest in given.manifests.items():
        await client.delete(resource, manifest["metadata"]["name"])


def bundles(objects: list[kube.JSON]) -> list[str | None]:
    """Return every caBundle of a CRD and configurations, in order."""
    (definition, *configurations) = objects
    found = [definition["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle")]
    for each in configurations:
        found += [webhook["clientConfig"].get("caBundle") for webhook in each["webhooks"]]
    return found


def owned(obj: kube.JSON, manager: str) -> kube.JSON | None:
    for entry in obj["metadata"]["managedFields"]:
        if entry["manager"] == manager:
            assert entry["operation"] == "Apply"
            fields: kube.JSON = entry["fieldsV1"]
            return fields
    return None


@pytest.mark.e2e
async def test_bundle_is_written_and_nothing_else_changes(installed: Installed) -> None:
    before = await installed.read()

    written = await installed.inject()

    after = await installed.read()
    without = copy.deepcopy(after)
    del without[0]["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"]
    for each in without[1:]:
        for webhook in each["webhooks"]:
            del webhook["clientConfig"]["caBundle"]
    assert written == [
        f"customresourcedefinitions/{installed.crd}",
        f"validatingwebhookconfigurations/{installed.name}",
        f"mutatingwebhookconfigurations/{installed.name}",
    ]
    assert bundles(after) == [ENCODED] * 5
    assert [each.get("webhooks") for each in without] == [each.get("webhooks") for each in before]
    assert [each.get("spec") for each in without] == [each.get("spec") for each in before]


@pytest.mark.e2e
async def test_injector_owns_the_bundles_only(installed: Installed) -> None:
    await installed.inject()

    (definition, *configurations) = await installed.read()

    of_a_webhook: kube.JSON = {".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}}}
    of_the_webhooks = {f'k:{{"name":"{name}"}}': of_a_webhook for name in WEBHOOKS}
    installers = owned(definition, INSTALLER) or {}
    assert owned(definition, injector.FIELD_MANAGER) == OF_THE_CRD
    assert installers["f:spec"]["f:versions"] == {}
    assert [owned(each, injector.FIELD_MANAGER) for each in configurations] == [
        {"f:webhooks": of_the_webhooks}
    ] * 2


@pytest.mark.e2e
async def test_equal_bundle_is_not_written_again(installed: Installed) -> None:
    await installed.inject()
    before = await installed.read()

    written = await installed.inject()

    assert written == []
    assert await installed.read() == before


@pytest.mark.e2e
async def test_bundle_of_an_overlap_replaces_the_one_before(installed: Installed) -> None:
    await installed.inject()

    written = await installed.inject(NEXT_PEM)

    assert len(written) == 3
    assert bundles(await installed.read()) == [base64.b64encode(NEXT_PEM).decode()] * 5


@pytest.mark.e2e
async def test_installers_next_apply_keeps_the_bundle(installed: Installed) -> None:
    await installed.inject()
    changed = installed.manifests[kube.CUSTOM_RESOURCE_DEFINITIONS]
    changed["spec"]["versions"][1]["served"] = False

    await installed.apply()

    after = await installed.read()
    assert after[0]["spec"]["versions"][1]["served"] is False
    assert bundles(after) == [ENCODED] * 5


@pytest.mark.e2e
async def test_placeholder_of_the_installer_is_taken_over(
    installed: Installed,
) -> None:
    for resource in CONFIGURATIONS:
        for webhook in installed.manifests[resource]["webhooks"]:
            webhook["clientConfig"]["caBundle"] = "Cg=="
    await installed.apply()

    await installed.inject()

    assert bundles(await installed.read()) == [ENCODED] * 5
    with pytest.raises(kube.ConflictError, match=r'conflicts? with "kubewright-certs"'):
        await installed.apply()


@pytest.mark.e2e
async def test_webhook_added_later_gets_the_bundle_and_the_others_keep_theirs(
    installed: Installed,
) -> None:
    await installed.inject()
    kind = kube.VALIDATING_WEBHOOK_CONFIGURATIONS
    installed.manifests[kind] = configuration(installed.name, *WEBHOOKS, "c.kubewright.dev")
    await installed.apply()

    written = await installed.inject()

    assert written == [f"validatingwebhookconfigurations/{installed.name}"]
    assert bundles(await installed.read()) == [ENCODED] * 6


@pytest.mark.e2e
async def test_webhook_can_be_taken_away_once_the_bundle_is_released(
    installed: Installed, client: kube.Client
) -> None:
    await installed.inject()
    kind = kube.VALIDATING_WEBHOOK_CONFIGURATIONS
    installed.manifests[kind] = configuration(installed.name, *WEBHOOKS[:1])

    with pytest.raises(kube.InvalidError, match=r"webhooks\[1\].sideEffects: Required value"):
        await installed.apply()
    await injector.release(
        client, crds=[installed.crd], validating=[installed.name], mutating=[installed.name]
    )
    await installed.apply()

    after = await installed.read()
    assert bundles(after) == [None] * 4
    assert [owned(each, injector.FIELD_MANAGER) for each in after] == [None] * 3


@pytest.mark.e2e
async def test_injectors_at_once_and_a_busy_installer_end_with_the_bundle_everywhere(
    installed: Installed, client: kube.Client
) -> None:
    async def disturb() -> None:
        for number in range(10):
            changes = {"metadata": {"annotations": {"number": str(number)}}}
            for resource, name in (
                (kube.CUSTOM_RESOURCE_DEFINITIONS, installed.crd),
                *((kind, installed.name) for kind in CONFIGURATIONS),
            ):
                await client.patch(resource, name, changes)

    await asyncio.gather(disturb(), installed.inject(), installed.inject(), installed.inject())

    assert bundles(await installed.read()) == [ENCODED] * 5


@pytest.mark.e2e
async def test_missing_object_is_told_in_the_api_servers_words(client: kube.Client) -> None:
    with pytest.raises(kube.NotFoundError) as caught:
        await injector.inject(client, CA_PEM, validating=["absent"])

    assert '"absent" not found' in str(caught.value)


@pytest.mark.e2e
@pytest.mark.parametrize("pem", [b"", b" \n", b"junk", CA_PEM + b"-----BEGIN PRIVATE KEY-----"])
async def test_what_is_no_bundle_is_refused_before_any_write(
    installed: Installed, pem: bytes
) -> None:
    before = await installed.read()

    with pytest.raises(
        injector.InjectionError, match="as the bundle to inject: nothing was written"
    ):
        await installed.inject(pem)

    assert await installed.read() == before


@pytest.mark.e2e
async def test_user_without_rights_is_told(api_server: Any, installed: Installed) -> None:
    async with kube.Client.from_kubeconfig(api_server.least_kubeconfig) as least:
        with pytest.raises(kube.ForbiddenError, match='cannot get resource "customresourcedefin'):
            await injector.inject(least, CA_PEM, crds=[installed.crd])


def existing(body: kube.JSON, **metadata: Any) -> kube.JSON:
    return body | {"metadata": {"uid": "u", "resourceVersion": "7", **body["metadata"], **metadata}}


CRD = injector.Target(kube.CUSTOM_RESOURCE_DEFINITIONS, "things.x.dev")
VALIDATING = injector.Target(kube.VALIDATING_WEBHOOK_CONFIGURATIONS, "x")


def test_stanza_names_the_bundle_and_the_object_as_read() -> None:
    wanted = injector.stanza(CRD, existing(crd("x.dev")), ENCODED)

    assert wanted == {
        "metadata": {"name": "things.x.dev", "uid": "u", "resourceVersion": "7"},
        "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": ENCODED}}}},
    }


@pytest.mark.parametrize("conversion", [None, {"strategy": "None"}])
def test_crd_without_webhook_conversion_is_passed_over(conversion: kube.JSON | None) -> None:
    definition = existing(crd("x.dev"))
    definition["spec"]["conversion"] = conversion

    assert injector.stanza(CRD, definition, ENCODED) is None


def test_configuration_without_webhooks_is_passed_over() -> None:
    assert injector.stanza(VALIDATING, existing({"metadata": {"name": "x"}}), ENCODED) is None


def test_object_that_cert_manager_injects_into_is_left_alone() -> None:
    annotations = {"cert-manager.io/inject-ca-from": "ns/certificate"}
    current = existing(configuration("x", *WEBHOOKS), annotations=annotations)

    with pytest.raises(injector.InjectionError) as caught:
        injector.stanza(VALIDATING, current, ENCODED)

    assert str(caught.value) == (
        "expected no cert-manager.io/inject-ca-from on validatingwebhookconfigurations/x, got "
        "'ns/certificate': cert-manager writes the caBundle; remove the annotation, or "
        "leave the certificates to cert-manager"
    )
