"""Probes: what the cluster does when it is asked to convert, connect or decide. Shell.

Nothing is stored: conversions are dry runs, and reviews of access are answers without an object.
"""

import asyncio
import dataclasses
import importlib.resources
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final

import crds
from certs import injector
from controllers import kube
from controllers.agentctl import versions
from controllers.agentctl.chart import rights
from controllers.agentctl.diagnose.observation import AccessReview, Handshake, RoundTrip, Values
from controllers.kube.auth import access
from schemagen import yaml
from webhooks.cluster import api_resources, ca_bundle_check, install
from webhooks.deployment.rights import INSTALL, WEBHOOK, Right

_OBJECT_NAME: Final = "kubewright-diagnose"
_NOT_AUTHORIZED: Final = "cannot create resource"
_SELF_REVIEWS: Final = kube.Resource(
    *("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    namespaced=False,
)
_REVIEWS: Final = kube.Resource(
    *("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview"),
    namespaced=False,
)
# Reviews in flight: the API server decides one in well under a millisecond.
_MAX_REVIEWS: Final = 16
# What an installation creates besides that which its own hook does.
_INSTALLED: Final = (
    *(("", "namespaces", False), ("", "serviceaccounts", True), ("", "services", True)),
    *(("", "configmaps", True), ("apps", "deployments", True)),
    *(("rbac.authorization.k8s.io", name, True) for name in ("roles", "rolebindings")),
    *(
        ("rbac.authorization.k8s.io", name, False)
        for name in ("clusterroles", "clusterrolebindings")
    ),
    *(
        ("admissionregistration.k8s.io", f"{name}webhookconfigurations", False)
        for name in ("mutating", "validating")
    ),
)


def resource(kind: str, version: str) -> kube.Resource:
    """Return the resource of a kind of the platform in a version."""
    (declared,) = (candidate for candidate in crds.api if candidate.name == kind)
    return api_resources.resource_of(crds.api, declared, version)


def sample(version: str, kind: str) -> kube.JSON:
    """Return the bundled sample of a kind in a version, to be created in a dry run."""
    folder = importlib.resources.files(crds) / "samples" / version
    value, *_ = yaml.load_all((folder / f"{kind.lower()}.yaml").read_bytes())
    return {**value, "metadata": {"name": _OBJECT_NAME}}


async def round_trip(
    client: kube.Client, kind: str, version: str, *, namespace: str, deadline_seconds: float
) -> RoundTrip:
    """Create a sample in a dry run: it is encoded in the storage version, and decoded again.

    Raises:
        kube.KubeError: The user may not create objects, or the API server cannot be reached.
    """
    sent = sample(version, kind)
    try:
        answer = await client.create(
            resource(kind, version),
            sent,
            namespace=namespace,
            dry_run=True,
            deadline_seconds=deadline_seconds,
        )
    except kube.ForbiddenError as error:
        if _NOT_AUTHORIZED in error.message:
            raise
        return RoundTrip(sent, None, str(error))
    except kube.ApiError as error:
        return RoundTrip(sent, None, str(error))
    return RoundTrip(sent, answer)


async def handshakes(
    definitions: Mapping[str, kube.JSON], configurations: Values
) -> tuple[Handshake, ...]:
    """Connect to each webhook as the API server does; several callers share a connection."""
    callers: dict[tuple[str, int, str], list[str]] = {}
    for target, value in _targets(definitions, configurations):
        for caller in ca_bundle_check.callers(target, value):
            targets = callers.setdefault((caller.host, caller.port, caller.bundle), [])
            if caller.target not in targets:
                targets.append(caller.target)
    return tuple(
        await asyncio.gather(
            *(
                _handshake(tuple(targets), host, port, bundle)
                for (host, port, bundle), targets in callers.items()
            )
        )
    )


def _targets(
    definitions: Mapping[str, kube.JSON], configurations: Values
) -> Iterator[tuple[injector.Target, kube.JSON]]:
    for name, value in definitions.items():
        yield injector.Target(kube.CUSTOM_RESOURCE_DEFINITIONS, name), value
    for value in configurations:
        if value["metadata"]["name"] == crds.api.group:
            yield injector.Target(install.CONFIGURATIONS[value["kind"]], crds.api.group), value


async def _handshake(targets: tuple[str, ...], host: str, port: int, bundle: str) -> Handshake:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, port)
    except socket.gaierror:
        return Handshake(targets, host, port, is_tried=False)
    reason = await ca_bundle_check.handshake_error(bundle, host, (host, port))
    leaf = await _leaf(host, port)
    return Handshake(targets, host, port, is_tried=True, reason=reason, leaf_pem=leaf)


async def _leaf(host: str, port: int) -> str:
    """Return the served certificate, which need not be trusted to be looked at; empty for none."""
    tls = access.tls_context(verify=False)
    try:
        async with asyncio.timeout(ca_bundle_check.HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host)
    except (ssl.SSLError, OSError, TimeoutError):
        return ""
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(certificate) if certificate else ""


async def reviews(
    client: kube.Client, deployments: Values, *, home: str, namespace: str | None
) -> tuple[AccessReview, ...]:
    """Ask whether the components have their rights; without Deployments, the current user."""
    asked = [*asked_of_components(deployments, home, namespace)]
    return tuple([review async for review in _decided(client, asked)])


async def install_reviews(client: kube.Client, home: str) -> tuple[AccessReview, ...]:
    """Ask whether the current user may install the platform."""
    asked = [
        *_questions(INSTALL, "", home=home, namespace=None),
        *(
            AccessReview(
                component="an installation",
                user="",
                verb="create",
                target=f"{plural}.{group}" if group else plural,
                name="",
                namespace=home if is_namespaced else "",
                why="install the chart",
                is_allowed=False,
            )
            for group, plural, is_namespaced in _INSTALLED
        ),
    ]
    return tuple([review async for review in _decided(client, asked)])


def asked_of_components(
    deployments: Values, home: str, namespace: str | None
) -> Iterator[AccessReview]:
    """Yield what is asked, undecided: for each account of a component, or the current user."""
    for component in (rights.CONTROLLER, WEBHOOK):
        users = {*_users_of(deployments, component)} or {("", namespace)}
        for user, where in sorted(users, key=str):
            yield from _questions(component, user, home=home, namespace=where or namespace)


def _users_of(deployments: Values, component: str) -> Iterator[tuple[str, str | None]]:
    """Yield the service accounts of a component, and the namespace that it is restricted to."""
    for value in deployments:
        metadata = value["metadata"]
        if (metadata.get("labels") or {}).get(versions.COMPONENT) != component:
            continue
        pod = value["spec"]["template"]["spec"]
        account = pod.get("serviceAccountName") or "default"
        words = [word for container in pod["containers"] for word in container.get("args") or ()]
        yield f"system:serviceaccount:{metadata['namespace']}:{account}", _namespace_in(words)


def _namespace_in(words: Sequence[str]) -> str | None:
    """Return the value of ``--namespace`` in a container's arguments; None for all."""
    for word, following in itertools.pairwise([*words, ""]):
        option, _, value = word.partition("=")
        if option == "--namespace":
            given = value or following
            return None if given == "all" else given
    return None


def _questions(
    component: str, user: str, *, home: str, namespace: str | None
) -> Iterator[AccessReview]:
    """Yield the unconditional rights of a component, one by one, undecided."""
    for right in rights.matrix():
        if right.who != component or right.conditions:
            continue
        for verb in right.verbs:
            for name in right.names or ("",):
                yield AccessReview(
                    component=component,
                    user=user,
                    verb=verb,
                    target=_target(right),
                    name=name,
                    namespace=_namespace(right, home, namespace),
                    why=right.why,
                    is_allowed=False,
                )


def _target(right: Right) -> str:
    group = right.resource.group
    return f"{right.target}.{group}" if group else right.target


def _namespace(right: Right, home: str, namespace: str | None) -> str:
    match right.scope:
        case "release":
            return home
        case "objects":
            return namespace or ""
        case "default":
            return "default"
        case _:
            return ""


async def _decided(
    client: kube.Client, asked: Iterable[AccessReview]
) -> AsyncIterator[AccessReview]:
    slots = asyncio.Semaphore(_MAX_REVIEWS)

    async def decide(review: AccessReview) -> AccessReview:
        async with slots:
            return await _decide(client, review)

    for decided in await asyncio.gather(*map(decide, asked)):
        yield decided


async def _decide(client: kube.Client, review: AccessReview) -> AccessReview:
    target, _, group = review.target.partition(".")
    plural, _, subresource = target.partition("/")
    attributes = {
        "group": group,
        "resource": plural,
        "subresource": subresource,
        "verb": review.verb,
        "name": review.name,
        "namespace": review.namespace,
    }
    spec: kube.JSON = {"resourceAttributes": attributes}
    if review.user:
        _, _, namespace, _ = review.user.split(":")
        accounts = "system:serviceaccounts"
        groups = [accounts, f"{accounts}:{namespace}", "system:authenticated"]
        spec |= {"user": review.user, "groups": groups}
    answer = await client.create(_REVIEWS if review.user else _SELF_REVIEWS, {"spec": spec})
    is_allowed = bool((answer.get("status") or {}).get("allowed"))
    return dataclasses.replace(review, is_allowed=is_allowed)
