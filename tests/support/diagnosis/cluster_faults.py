"""Faults of the API server, of CRDs and of webhooks, each with the check that has to find it."""

import base64
import dataclasses
import datetime as dt

from controllers.agentctl.diagnose.observation import Handshake, Reading, RoundTrip, Unread
from tests.support.diagnosis.plants import (
    API_SERVER,
    CRD,
    MEMORIES,
    MUTATING,
    OF_VERSION,
    VALIDATING,
    Planted,
    changed,
    clock,
    configuration,
    definition,
    first,
    foreign,
    gone_version,
    lossy,
    one_of,
    reading,
    served,
    spec_of,
    without_validation,
)

OF_API_SERVER = (
    Planted(
        "the version cannot be read",
        "api-reachable",
        API_SERVER,
        lambda seen: dataclasses.replace(seen, version=Reading(Unread("no route to host"))),
        others=OF_VERSION,
    ),
    Planted("etcd is away", "api-ready", API_SERVER, reading(readiness=("etcd",))),
    Planted(
        "Kubernetes is too old",
        "api-version",
        API_SERVER,
        reading(version={"gitVersion": "v1.33.4"}),
        others=("managed-fields-kept",),
    ),
    Planted(
        "Kubernetes is too new",
        "api-version",
        API_SERVER,
        reading(version={"gitVersion": "v1.99.0"}),
        is_warning=True,
    ),
    Planted(
        "Kubernetes loses managedFields",
        "managed-fields-kept",
        API_SERVER,
        reading(version={"gitVersion": "v1.36.1"}),
        is_warning=True,
    ),
    Planted("the API server is ahead", "clock-skew", API_SERVER, clock(dt.timedelta(minutes=1))),
    Planted("the API server is behind", "clock-skew", API_SERVER, clock(-dt.timedelta(minutes=1))),
    Planted(
        "requests were rejected",
        "requests-rejected",
        "PriorityLevelConfiguration workload-low",
        reading(rejections={"workload-low": 17}),
        is_warning=True,
    ),
    Planted(
        "another distribution has a package crds",
        "python-packages",
        "PythonPackage crds",
        reading(packages={"crds": ["crds-tools", "kubewright"]}),
    ),
)
OF_DEFINITIONS = (
    Planted(
        "a CRD is missing",
        "crds-present",
        CRD,
        lambda seen: dataclasses.replace(
            seen,
            definitions=Reading(
                {name: crd for name, crd in seen.definitions.get().items() if name != MEMORIES}
            ),
        ),
    ),
    Planted(
        "the names of a CRD conflict",
        "crds-present",
        CRD,
        definition(
            lambda crd: crd["status"]["conditions"].append(
                {"type": "NamesAccepted", "status": "False", "message": "mem is taken"}
            )
        ),
    ),
    Planted(
        "a CRD lacks a field",
        "crds-current",
        CRD,
        definition(
            lambda crd: [spec_of(one).pop("capabilities") for one in crd["spec"]["versions"]]
        ),
    ),
    Planted(
        "a CRD lacks a column",
        "crds-current",
        CRD,
        definition(lambda crd: first(crd)["additionalPrinterColumns"].pop()),
    ),
    Planted(
        "a CRD does not serve a version",
        "crds-current",
        CRD,
        definition(
            lambda crd: [
                one.update(served=False) for one in crd["spec"]["versions"] if not one["storage"]
            ]
        ),
    ),
    Planted(
        "a migration is not finished",
        "stored-versions",
        CRD,
        definition(lambda crd: crd["status"].update(storedVersions=["v1alpha1", "v1beta1"])),
        is_warning=True,
    ),
    Planted(
        "objects are stored in an unknown version",
        "stored-versions",
        CRD,
        definition(lambda crd: crd["status"].update(storedVersions=["v1", "v1beta1"])),
    ),
    Planted(
        "objects are not converted",
        "conversion-strategy",
        CRD,
        definition(lambda crd: crd["spec"].update(conversion={"strategy": "None"})),
    ),
    Planted(
        "conversion reviews have an old version",
        "conversion-strategy",
        CRD,
        definition(
            lambda crd: crd["spec"]["conversion"]["webhook"].update(
                conversionReviewVersions=["v1beta1"]
            )
        ),
        others=("webhooks-practice",),
    ),
    Planted(
        "objects cannot be converted",
        "objects-readable",
        "Memory v1alpha1",
        one_of("listings", "Memory v1alpha1", "conversion webhook for Memory failed"),
    ),
    Planted("a conversion loses fields", "conversion-lossless", "Memory v1alpha1", lossy),
    Planted(
        "a dry run is refused",
        "conversion-lossless",
        "Memory v1alpha1",
        one_of("round_trips", "Memory v1alpha1", RoundTrip({}, None, "exceeded quota")),
    ),
    Planted(
        "managedFields name a version that is gone",
        "managed-fields-versions",
        "Memory default/team-memory",
        changed("Memory", gone_version),
    ),
    Planted(
        "the API server would refuse a CRD",
        "crds-installable",
        CRD,
        one_of("installable", MEMORIES, "spec.versions: Required value"),
        mode="pre",
    ),
)
OF_WEBHOOKS = (
    Planted(
        "the validating webhook is gone", "webhooks-registered", VALIDATING, without_validation
    ),
    Planted(
        "the validating webhook fails open",
        "webhooks-registered",
        VALIDATING,
        configuration(
            "ValidatingWebhookConfiguration", lambda one: one.update(failurePolicy="Ignore")
        ),
    ),
    Planted(
        "the mutating webhook does not match a kind",
        "webhooks-registered",
        MUTATING,
        configuration("MutatingWebhookConfiguration", lambda one: one["rules"].pop()),
    ),
    Planted(
        "the mutating webhook waits for long",
        "webhooks-practice",
        MUTATING,
        configuration("MutatingWebhookConfiguration", lambda one: one.update(timeoutSeconds=25)),
        is_warning=True,
    ),
    Planted(
        "a caBundle is damaged",
        "webhooks-practice",
        MUTATING,
        configuration(
            "MutatingWebhookConfiguration",
            lambda one: one["clientConfig"].update(caBundle=base64.b64encode(b"x").decode()),
        ),
    ),
    Planted(
        "another webhook reviews everything",
        "webhooks-of-others",
        "ValidatingWebhookConfiguration all.example.com",
        foreign,
        is_warning=True,
    ),
    Planted(
        "a caBundle does not trust the certificate",
        "webhook-trusted",
        CRD,
        reading(
            handshakes=(
                Handshake(
                    (f"customresourcedefinitions/{MEMORIES}",),
                    "localhost",
                    443,
                    is_tried=True,
                    reason="unable to get local issuer certificate",
                ),
            )
        ),
    ),
    Planted(
        "the certificate has expired",
        "certificate-valid",
        "Certificate localhost:443",
        served(dt.timedelta(days=30), -dt.timedelta(days=1)),
    ),
    Planted(
        "the certificate was not renewed",
        "certificate-valid",
        "Certificate localhost:443",
        served(dt.timedelta(days=89), dt.timedelta(days=1)),
        is_warning=True,
    ),
)
