"""The objects that run an Api's webhook server in a cluster: Deployment, account, roles. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from controllers import kube
from schemagen import Api, Kind
from schemagen.problems import JSON
from webhooks.cluster import api_resources, configuration
from webhooks.deployment import rights
from webhooks.review import reviewed_objects
from webhooks.server import object_lookup

HEALTH_PORT: Final = 8080
DRAIN_SECONDS: Final = 30
# Until Services no longer route to the pod.
PRE_STOP_SECONDS: Final = 5
RESOURCES: Final[dict[str, Any]] = {
    "requests": {"cpu": "200m", "memory": "384Mi"},
    "limits": {"memory": "1Gi"},
}
REPLICAS: Final = 2
# Any number that is not root's; the same as that of the images of the Agents Platform.
USER: Final = 65532

_CERTIFICATES: Final = "/etc/webhook"
_TEMPORARY: Final = {"name": "temporary", "mountPath": "/tmp"}  # noqa: S108 - an emptyDir


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A webhook server to be deployed.

    Attributes:
        api: The API that it serves.
        reference: Where its image has the Api, ``MODULE:API``.
        image: Image with Kubewright and that module.
        namespace: Where it runs.
        name: Name of all of its objects, its Service included.
        target_port: Port that it listens on.
        reads: Resources that its rules read (``Rules.related``).
        is_cert_managed: Whether cert-manager issues the certificate; otherwise the replicas share
            a CA of their own.
        replicas: How many; an expression of a template is taken as it is.
        resources: Of a container, likewise.
    """

    api: Api
    reference: str
    image: str
    namespace: str
    name: str
    target_port: int
    reads: tuple[kube.Resource, ...] = ()
    is_cert_managed: bool = False
    replicas: int | str = REPLICAS
    resources: Mapping[str, Any] | str = dataclasses.field(default_factory=lambda: RESOURCES)

    @property
    def mode(self) -> str:
        """How certificates are made, as a condition of rights."""
        return rights.CERT_MANAGER if self.is_cert_managed else rights.SELF_MANAGED

    @property
    def secret(self) -> str:
        """Name of the Secret with the certificate, or with the shared CA."""
        return f"{self.name}-certificate"

    @property
    def host(self) -> str:
        """The name that the API server calls."""
        return configuration.ServiceReference(
            self.namespace, self.name, configuration.HTTPS_PORT
        ).host

    @property
    def selector(self) -> dict[str, str]:
        """The labels of its pods, which its Service selects."""
        return {"app.kubernetes.io/name": self.name}


def resources_read(api: Api, kinds: Iterable[str]) -> tuple[kube.Resource, ...]:
    """Return the resources that rules read, each once.

    Args:
        api: The API. Kinds whose /scale is validated are read as well.
        kinds: Names of kinds that its rules name (``Rules.related``).

    Raises:
        ValueError: A kind is unknown, or rules name objects and no kind is given.
    """
    named = [*kinds]
    asking = [kind.name for kind in api if kind.rules.related is not None]
    if asking and not named:
        raise ValueError(
            f"expected the kinds that rules of {', '.join(asking)} read (Rules.related), so that "
            f"the server may get them: --reads KIND, one of {', '.join(_readable(api))}"
        )
    known = _readable(api)
    for name in named:
        if name not in known:
            raise ValueError(f"expected one of {', '.join(known)} to be read, got {name}")
    scaled = [kind.name for kind in api if _is_scale_validated(kind)]
    return tuple(known[name] for name in dict.fromkeys([*named, *scaled]))


def _readable(api: Api) -> dict[str, kube.Resource]:
    own = {kind.name: api_resources.resource_of(api, kind, kind.hub.name) for kind in api}
    return own | object_lookup.BUILT_IN


def _is_scale_validated(kind: Kind) -> bool:
    return any(
        version.scale is not None and reviewed_objects.asks_of_scale(kind, version)
        for version in kind.versions
    )


def workloads(server: Server) -> list[dict[str, Any]]:
    """Return the objects in the order in which to apply them, without the Service."""
    account = Account(server, server.name, server.selector)
    granted = rights.of_webhook(server.api, server.reads)
    disruption = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": server.selector},
    }
    return [
        *_certificate(server),
        *account.objects(granted),
        account.object("apps/v1", "Deployment", spec=_deployment(server, account)),
        account.object("policy/v1", "PodDisruptionBudget", spec=disruption),
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """A service account of a server or of its hooks, and what has its name and labels."""

    server: Server
    name: str
    labels: Mapping[str, str]

    def object(
        self, api_version: str, kind: str, *, name: str = "", namespace: str = "", **members: Any
    ) -> dict[str, Any]:
        """Return an object; its name and namespace are the account's unless others are given."""
        metadata = {
            "name": name or self.name,
            "namespace": namespace or self.server.namespace,
            "labels": dict(self.labels),
        }
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **members}

    def objects(self, granted: Iterable[rights.Right]) -> Iterator[dict[str, Any]]:
        """Yield the account and its roles with their bindings, one of each scope."""
        yield self.object("v1", "ServiceAccount", automountServiceAccountToken=False)
        rules: dict[rights.Scope, list[dict[str, Any]]] = {}
        fulfilled = {self.server.mode, rights.PREFLIGHT}
        for role in rights.roles(granted):
            if not role.conditions or fulfilled & {*role.conditions}:
                rules.setdefault(role.scope, []).extend(role.rules)
        for scope, found in rules.items():
            yield from self._role(scope, [_named(rule, self.server.secret) for rule in found])

    def _role(self, scope: rights.Scope, rules: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        home = self.server.namespace
        namespace = {"release": home, "default": "default"}.get(scope, "")
        kind = "Role" if namespace else "ClusterRole"
        # Of no namespace, or of one that others share.
        name = self.name if scope == "release" else f"{home}-{self.name}-{scope}"
        group = "rbac.authorization.k8s.io"
        reference = {"apiGroup": group, "kind": kind, "name": name}
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": home}
        for kind_, members in (
            (kind, {"rules": rules}),
            (f"{kind}Binding", {"roleRef": reference, "subjects": [subject]}),
        ):
            value = self.object(f"{group}/v1", kind_, name=name, namespace=namespace, **members)
            if not namespace:
                del value["metadata"]["namespace"]
            yield value

    def pod(self, container: JSON, volumes: Iterable[JSON] = (), **members: Any) -> dict[str, Any]:
        """Return the specification of a pod that the pod security standard ``restricted`` admits.

        Args:
            container: Its only container.
            volumes: Besides the one for temporary files.
            members: Further fields.
        """
        mounts = [_TEMPORARY, *container.get("volumeMounts", ())]
        security = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        head = {"name": container["name"], "image": self.server.image}
        tail = {"securityContext": security, "volumeMounts": mounts}
        return {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **members,
            "containers": [head | container | tail],
            # In memory: workers read the certificate's key from it.
            "volumes": [
                {"name": "temporary", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
                *volumes,
            ],
        }


def _named(rule: dict[str, Any], secret: str) -> dict[str, Any]:
    """Put the name of the Secret in the place of its placeholder."""
    names = [
        secret if name == rights.CERTIFICATE_SECRET else name
        for name in rule.get("resourceNames", ())
    ]
    return rule | ({"resourceNames": names} if names else {})


def _certificate(server: Server) -> Iterator[dict[str, Any]]:
    """A Certificate of cert-manager, by an Issuer that signs itself."""
    if not server.is_cert_managed:
        return
    account = Account(server, server.name, server.selector)
    version = "cert-manager.io/v1"
    yield account.object(version, "Issuer", spec={"selfSigned": {}})
    yield account.object(
        version,
        "Certificate",
        spec={
            "secretName": server.secret,
            "dnsNames": [server.host],
            "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
            "issuerRef": {"name": server.name, "kind": "Issuer", "group": "cert-manager.io"},
        },
    )


def _deployment(server: Server, account: Account) -> dict[str, Any]:
    volumes: list[JSON] = []
    if server.is_cert_managed:
        secret = {"secretName": server.secret, "defaultMode": 0o440}
        volumes.append({"name": "certificate", "secret": secret})
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": server.selector},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    pod = account.pod(
        _container(server),
        volumes,
        terminationGracePeriodSeconds=PRE_STOP_SECONDS + DRAIN_SECONDS + 10,
        topologySpreadConstraints=spread,
    )
    return {
        "replicas": server.replicas,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": server.selector},
        "template": {"metadata": {"labels": server.selector}, "spec": pod},
    }


def _container(server: Server) -> JSON:
    certificate = {"name": "certificate", "mountPath": _CERTIFICATES, "readOnly": True}
    return {
        "name": "webhook",
        "command": ["webhooks", "serve", server.reference],
        "args": [*_arguments(server)],
        "ports": [
            {"name": "https", "containerPort": server.target_port},
            {"name": "health", "containerPort": HEALTH_PORT},
        ],
        "startupProbe": _probe("/livez", periodSeconds=1, failureThreshold=60),
        "livenessProbe": _probe("/livez", timeoutSeconds=5, failureThreshold=6),
        "readinessProbe": _probe("/readyz", periodSeconds=2, timeoutSeconds=2),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "resources": server.resources,
        "volumeMounts": [certificate] if server.is_cert_managed else [],
    }


def _probe(path: str, **members: int) -> JSON:
    return {"httpGet": {"path": path, "port": "health"}, **members}


def _arguments(server: Server) -> Iterator[str]:
    yield "--host=0.0.0.0"
    yield f"--port={server.target_port}"
    yield f"--health-port={HEALTH_PORT}"
    yield f"--name={server.host}"
    yield f"--drain={DRAIN_SECONDS}"
    yield "--check-trust"
    if server.reads:
        yield "--look-up"
    if server.is_cert_managed:
        yield f"--cert-dir={_CERTIFICATES}"
    else:
        yield f"--cert-secret={server.namespace}/{server.secret}"
