"""Service accounts with exactly the rights that the chart grants them. Shell: the cluster."""

import base64
import contextlib
import json
import pathlib
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, Final, NotRequired, Self, TypedDict, Unpack

from controllers import devcluster, kube
from controllers.agentctl.chart import rights as matrix
from webhooks.deployment import rights

GROUP: Final = "rbac.authorization.k8s.io"
ROLES: Final = {
    kind: kube.Resource(GROUP, "v1", f"{kind.lower()}s", kind, namespaced=not kind.startswith("C"))
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
}
# Longer than any proof.
TOKEN_SECONDS: Final = 24 * 3600


class Places(TypedDict):
    """Where the rights of a component hold."""

    home: str
    """Namespace of the release, and of the account."""
    objects: str | None
    """Namespace of the API's objects; None for all."""
    conditions: NotRequired[Collection[str]]
    """Conditions of rights that are fulfilled."""
    secret: NotRequired[str]
    """The Secret with the CA."""
    secrets: NotRequired[Collection[str]]
    """Names of Secrets in the namespace of the API's objects that may be read."""
    name: NotRequired[str]
    """Name of the account, if not that of the chart."""


class Admin(kube.Client):
    """A cluster admin's client; the clients of service accounts close with it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._accounts = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._accounts.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._accounts.aclose()
        await super().__aexit__(*error)

    async def account(
        self, cluster: devcluster.Cluster, who: str, **places: Unpack[Places]
    ) -> tuple[kube.Client, pathlib.Path]:
        """Make a component's account; a client of it, and its kubeconfig."""
        made = await _written(self, cluster, who, **places)
        client = kube.Client.from_kubeconfig(made)
        return await self._accounts.enter_async_context(client), made


@contextlib.asynccontextmanager
async def opened(
    client: kube.Client, cluster: devcluster.Cluster, who: str, **places: Unpack[Places]
) -> AsyncIterator[kube.Client]:
    """Make the namespace and the account of a component; a client of it.

    Args:
        client: Of an admin.
        cluster: The cluster.
        who: The component.
        places: Where its rights hold.
    """
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": places["home"]}}
    await client.create(kube.NAMESPACES, body)
    made = await _written(client, cluster, who, **places)
    async with kube.Client.from_kubeconfig(made) as account:
        yield account


async def _written(
    client: kube.Client, cluster: devcluster.Cluster, who: str, **places: Unpack[Places]
) -> pathlib.Path:
    made = cluster.directory / f"{places['home']}-{who}.kubeconfig"
    made.write_text(kubeconfig(cluster, await token(client, who, **places)))
    return made


async def token(client: kube.Client, who: str, **places: Unpack[Places]) -> str:
    """Make the service account of a component, with the chart's roles, if missing; a token of it.

    Args:
        client: Of an admin.
        who: The component.
        places: Where its rights hold.
    """
    name, home = _name(who, **places), places["home"]
    namespaced = {"namespace": home, "name": name}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": namespaced}
    with contextlib.suppress(kube.AlreadyExistsError):
        await client.create(kube.SERVICE_ACCOUNTS, body)
        for manifest in _roles(who, **places):
            await client.create(ROLES[manifest["kind"]], manifest)
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    made = await client.create(
        kube.SERVICE_ACCOUNTS, request, name=name, namespace=home, subresource="token"
    )
    return str(made["status"]["token"])


def kubeconfig(cluster: devcluster.Cluster, given: str) -> str:
    """A kubeconfig with a token."""
    authority = base64.b64encode(cluster.ca_pem).decode()
    server = {"server": cluster.server, "certificate-authority-data": authority}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": server}],
        "users": [{"name": "account", "user": {"token": given}}],
        "contexts": [{"name": "pod", "context": {"cluster": "cluster", "user": "account"}}],
        "current-context": "pod",
    }
    return json.dumps(config)


def _name(who: str, **places: Unpack[Places]) -> str:
    return places.get("name", f"agents-{who}")


def _roles(who: str, **places: Unpack[Places]) -> Iterator[dict[str, Any]]:
    """The roles that the chart renders (its template rbac.yaml), and their bindings."""
    home, fulfilled = places["home"], {*places.get("conditions", ())}
    objects, secrets = places["objects"], places.get("secrets", ())
    fulfilled |= {matrix.NAMED_SECRETS} if secrets else set()
    namespaces = {"release": home, "objects": objects, "default": "default", "secrets": objects}
    rules: dict[str, list[Any]] = {}
    for role in rights.roles(matrix.matrix()):
        if role.who == who and (not role.conditions or fulfilled & {*role.conditions}):
            rules.setdefault(role.scope, []).extend(role.rules)
    secret = places.get("secret", rights.CERTIFICATE_SECRET)
    for scope, granted in rules.items():
        namespace = namespaces.get(scope)
        kind = "ClusterRole" if namespace is None else "Role"
        metadata = {"name": f"{home}-{who}-{scope}"}
        metadata |= {} if namespace is None else {"namespace": namespace}
        common = {"apiVersion": f"{GROUP}/v1", "metadata": metadata}
        text = json.dumps(granted).replace(rights.CERTIFICATE_SECRET, secret)
        text = text.replace(f'["{matrix.SECRET_NAMES}"]', json.dumps([*secrets]))
        yield {**common, "kind": kind, "rules": json.loads(text)}
        name = _name(who, **places)
        subject = {"kind": "ServiceAccount", "name": name, "namespace": home}
        reference = {"apiGroup": GROUP, "kind": kind, "name": metadata["name"]}
        yield {**common, "kind": f"{kind}Binding", "roleRef": reference, "subjects": [subject]}
