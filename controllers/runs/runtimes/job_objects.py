"""The Job and the ConfigMap of a piece of work, and the tombstone in a Job's place. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from controllers import kube
from controllers.runner import templates
from controllers.runs import naming, values, views
from controllers.runs.runtimes.base import JSON, Code, Key, RuntimeFault, Work

ROOT: Final = "/workspace"
RUN_JSON: Final = f"{ROOT}/run.json"
RUNNER_JSON: Final = f"{ROOT}/agent-runner.json"
STATUS_JSON: Final = f"{ROOT}/.agent/status.json"
SYSTEM_PROMPT: Final = f"{ROOT}/.codex/system-prompt.txt"
CONTAINER: Final = "agent-runner"
# Upstream's: not so short that nobody sees the Job, not so long that etcd fills up.
DEFAULT_TTL_SECONDS: Final = 600
LEAST_TTL_SECONDS: Final = 30
MOST_TTL_SECONDS: Final = 7 * 24 * 3600
# The controller ends what takes too long; should it be down, Kubernetes does, a little later.
DEADLINE_SLACK_SECONDS: Final = 60
# k8s.io/kubernetes/pkg/apis/core MaxSecretSize, which a ConfigMap's data may have.
MAX_TEMPLATE_BYTES: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Defaults:
    """What the controller gives pods that say nothing.

    Attributes:
        image: Of the runner's container.
        service_account: Of the pod; empty is the namespace's default.
        resources: Of the container.
    """

    image: str = ""
    service_account: str = ""
    resources: Mapping[str, JSON] = dataclasses.field(default_factory=dict)


class _Templates:
    """Fills in the templates of one object, which are not to become larger than it may be."""

    def __init__(self, piece: Work) -> None:
        self._names, self._room = piece.runner_json, MAX_TEMPLATE_BYTES

    def render(self, template: str) -> str:
        """One of them, filled in.

        Raises:
            RuntimeFault: They would become too large together.
        """
        try:
            found = templates.render(template, self._names, self._room)
        except templates.TooLargeError as error:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected the provider's templates to become at most {MAX_TEMPLATE_BYTES} bytes, "
                "got more: shorten the inputs, or name them less often",
            ) from error
        self._room -= templates.size(found)
        return found


def job(key: Key, piece: Work, defaults: Defaults) -> dict[str, JSON]:
    """The Job that carries a piece of work out.

    Raises:
        RuntimeFault: Nobody names an image.
    """
    runtime = piece.spec.get("runtime") or {}
    extra = runtime.get("extraConfig") or {}
    labels = _labels(piece)
    ttl = values.seconds(runtime.get("jobTTL"))
    deadline = piece.timeout_seconds
    spec = {
        "backoffLimit": runtime.get("backoffLimit") or 0,
        "ttlSecondsAfterFinished": _ttl_seconds(ttl),
        "activeDeadlineSeconds": int(deadline) + DEADLINE_SLACK_SECONDS if deadline else None,
        "template": {
            "metadata": values.present(
                {"labels": labels, "annotations": _texts(extra.get("podAnnotations")) or None}
            ),
            "spec": _pod(key, piece, defaults),
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**_metadata(key, piece), "labels": labels},
        "spec": values.present(spec),
    }


def config_map(key: Key, piece: Work) -> dict[str, JSON]:
    """The ConfigMap with the files that the pod finds; it never changes."""
    files = {f"input-{index}": content for index, (_, content) in enumerate(_contents(piece))}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**_metadata(key, piece), "labels": _labels(piece)},
        "immutable": True,
        "data": {
            "run.json": _json(piece.run_json),
            "agent-runner.json": _json(piece.runner_json),
            **files,
        },
    }


def tombstone(name: str, namespace: str, uid: str) -> dict[str, JSON]:
    """A Job that never starts, and takes the name of one that must not start any more.

    It has no owner: the garbage collector would remove it with the run, and a late creation could
    land after all. The reaper removes it when no request can be under way any more.
    """
    labels = {naming.RUN_LABEL: uid, naming.TOMBSTONE_LABEL: "true"}
    container = {"name": "none", "image": "none"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def is_mine(metadata: kube.Metadata, key: Key, piece: Work) -> bool:
    """Whether an object was made for this piece of work, or is its tombstone."""
    if metadata.name != naming.of_key(key) or metadata.namespace != piece.namespace:
        return False
    if naming.TOMBSTONE_LABEL in metadata.labels:
        return metadata.labels.get(naming.RUN_LABEL) == piece.uid
    owners = {one.uid for one in metadata.owner_references if one.is_of(views.RUNS)}
    return piece.uid in owners and metadata.annotations.get(naming.KEY_ANNOTATION) == key


def _metadata(key: Key, piece: Work) -> dict[str, JSON]:
    return {
        "name": naming.of_key(key),
        "namespace": piece.namespace,
        "annotations": {naming.KEY_ANNOTATION: key},
        "ownerReferences": [
            {
                **views.owner(piece.run, piece.uid),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def _labels(piece: Work) -> dict[str, str]:
    agent = (piece.spec.get("agentRef") or {}).get("name") or ""
    found = {
        naming.RUN_LABEL: piece.uid,
        naming.NAME_LABEL: naming.label(piece.run),
        naming.AGENT_LABEL: naming.label(agent),
    }
    return {**found, naming.STEP_LABEL: naming.label(piece.step)} if piece.step else found


def _ttl_seconds(ttl: int | None) -> int | None:
    if ttl is None:
        return DEFAULT_TTL_SECONDS
    return min(max(ttl, LEAST_TTL_SECONDS), MOST_TTL_SECONDS) if ttl else None


# ------------------------------------------------------------------------------------- the pod


def _pod(key: Key, piece: Work, defaults: Defaults) -> dict[str, JSON]:
    given = (piece.spec.get("runtime") or {}).get("podTemplate") or {}
    provider = piece.provider.get("workload") or {}
    account = (
        given.get("serviceAccountName")
        or provider.get("serviceAccountName")
        or defaults.service_account
    )
    taken = (
        *("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"),
        *("securityContext", "priorityClassName", "schedulerName", "imagePullSecrets"),
    )
    return values.present(
        {
            **{name: given.get(name) for name in taken},
            "restartPolicy": "Never",
            "serviceAccountName": account or None,
            "containers": [_container(piece, defaults)],
            "volumes": [volume for volume, _ in _volumes(key, piece)],
        }
    )


def _container(piece: Work, defaults: Defaults) -> dict[str, JSON]:
    runner = piece.provider.get("runner") or {}
    filled = _Templates(piece)
    secrets = piece.spec.get("secretRefs") or ()
    return values.present(
        {
            "name": CONTAINER,
            "image": _image(piece, defaults),
            "command": [runner.get("command") or "agent-runner"],
            "args": [filled.render(one) for one in runner.get("args") or ()] or None,
            "env": [*_env(piece, filled)],
            "envFrom": [{"secretRef": {"name": one["name"]}} for one in secrets] or None,
            "resources": _resources(piece, defaults) or None,
            "terminationMessagePath": STATUS_JSON,
            "terminationMessagePolicy": "File",
            "volumeMounts": [mount for _, mounts in _volumes("", piece) for mount in mounts],
        }
    )


def _image(piece: Work, defaults: Defaults) -> str:
    """The run's, else its provider's, else the controller's."""
    own, provider = (each.get("workload") or {} for each in (piece.spec, piece.provider))
    found = own.get("image") or provider.get("image") or defaults.image
    if not found:
        raise RuntimeFault(
            Code.TERMINAL,
            "expected an image at spec.workload.image, at the provider's spec.workload.image or "
            "by the controller's --image, got none",
        )
    return str(found)


def _resources(piece: Work, defaults: Defaults) -> dict[str, JSON]:
    """Each quantity from whoever is nearest to the run."""
    pod = (piece.spec.get("runtime") or {}).get("podTemplate") or {}
    merged: dict[str, dict[str, JSON]] = {}
    for given in (
        defaults.resources,
        (piece.provider.get("workload") or {}).get("resources"),
        pod.get("resources"),
        (piece.spec.get("workload") or {}).get("resources"),
    ):
        for name in ("requests", "limits"):
            merged.setdefault(name, {}).update((given or {}).get(name) or {})
    return {name: quantities for name, quantities in merged.items() if quantities}


def _env(piece: Work, filled: _Templates) -> Iterator[dict[str, JSON]]:
    yield {"name": "AGENT_RUN_SPEC", "value": RUN_JSON}
    yield {"name": "AGENT_RUNNER_SPEC_PATH", "value": RUNNER_JSON}
    yield {"name": "AGENT_PROVIDER", "value": str(piece.runner_json.get("provider") or "")}
    for name, value in prompt_variables(piece, SYSTEM_PROMPT).items():
        yield {"name": name, "value": value}
    vcs = piece.spec.get("vcs") or {}
    if vcs.get("providerRef"):
        yield {"name": "VCS_PROVIDER_NAME", "value": vcs["providerRef"]["name"]}
    if vcs.get("mode"):
        yield {"name": "VCS_MODE", "value": vcs["mode"]}
    for one in piece.provider.get("env") or ():
        if one.get("valueFrom"):
            yield {"name": one["name"], "valueFrom": one["valueFrom"]}
        else:
            yield {"name": one["name"], "value": filled.render(one.get("value") or "")}


def prompt_variables(piece: Work, path: str) -> dict[str, str]:
    """What tells the runner of its system prompt, if it has one."""
    if not piece.system_prompt:
        return {}
    found = {"CODEX_SYSTEM_PROMPT_PATH": path, "CODEX_SYSTEM_PROMPT_REQUIRED": "true"}
    if piece.system_prompt_hash:
        found["CODEX_SYSTEM_PROMPT_EXPECTED_HASH"] = piece.system_prompt_hash
    return found


# ---------------------------------------------------------------------------- files and volumes


def _contents(piece: Work) -> Iterator[tuple[str, str]]:
    """Path and content of each file that is written out."""
    filled = _Templates(piece)
    for path, content in _own_files(piece):
        yield path, filled.render(content)
    inline = (piece.system_prompt or {}).get("inline")
    if inline:
        yield SYSTEM_PROMPT, inline


def _own_files(piece: Work) -> Iterator[tuple[str, str]]:
    """Path and template of each file of the provider."""
    for one in piece.provider.get("files") or ():
        if one.get("content") is not None:
            yield one["path"], one["content"]


def _content_paths(piece: Work) -> Iterator[str]:
    """The paths of ``_contents``, without filling them in."""
    for path, _ in _own_files(piece):
        yield path
    if (piece.system_prompt or {}).get("inline"):
        yield SYSTEM_PROMPT


def _references(piece: Work) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    """Path and reference of each file that comes from a Secret or ConfigMap."""
    for one in piece.provider.get("files") or ():
        if one.get("content") is None:
            yield one["path"], one
    if piece.system_prompt and not piece.system_prompt.get("inline"):
        yield SYSTEM_PROMPT, piece.system_prompt


def _volumes(key: Key, piece: Work) -> Iterator[tuple[dict[str, JSON], list[dict[str, JSON]]]]:
    """Each volume of the pod, and where its container sees it."""
    yield {"name": "workspace", "emptyDir": {}}, [{"name": "workspace", "mountPath": ROOT}]
    spec = {"name": "spec", "configMap": {"name": naming.of_key(key)}}
    paths = [("run.json", RUN_JSON), ("agent-runner.json", RUNNER_JSON)]
    paths += [(f"input-{index}", path) for index, path in enumerate(_content_paths(piece))]
    yield spec, [_file_mount("spec", path, name) for name, path in paths]
    for index, (path, reference) in enumerate(_references(piece)):
        name = f"file-{index}"
        yield _file_volume(name, reference), [_file_mount(name, path, "file")]
    for one in (piece.spec.get("workload") or {}).get("volumes") or ():
        yield _own_volume(one)
    token = (piece.provider.get("workload") or {}).get("serviceAccountToken")
    if token:
        source = {
            "audience": token["audience"],
            "expirationSeconds": token["expirationSeconds"],
            "path": "token",
        }
        projected = {"sources": [{"serviceAccountToken": source}]}
        mount = {"name": "identity", "mountPath": token["mountPath"], "readOnly": True}
        yield {"name": "identity", "projected": projected}, [mount]


def _file_mount(volume: str, path: str, part: str) -> dict[str, JSON]:
    return {"name": volume, "mountPath": path, "subPath": part, "readOnly": True}


def _file_volume(name: str, reference: Mapping[str, JSON]) -> dict[str, JSON]:
    """A volume with one file, named ``file``, from a key."""
    secret = reference.get("secretKeyRef")
    chosen = secret or reference["configMapKeyRef"]
    items = [{"key": chosen["key"], "path": "file"}]
    if secret:
        return {"name": name, "secret": {"secretName": secret["name"], "items": items}}
    return {"name": name, "configMap": {"name": chosen["name"], "items": items}}


def _own_volume(one: Mapping[str, JSON]) -> tuple[dict[str, JSON], list[dict[str, JSON]]]:
    """A volume of the run's workload; the prefix keeps its name from ours."""
    name = naming.label(f"run-{one['name']}")
    arms = ("emptyDir", "persistentVolumeClaim", "secret")
    source = {arm: one[arm] for arm in arms if one.get(arm) is not None}
    mount = {"name": name, "mountPath": one["mountPath"], "readOnly": one.get("readOnly")}
    return {"name": name, **source}, [values.present(mount)]


def _json(value: JSON) -> str:
    return msgspec.json.encode(value).decode()


def _texts(value: JSON) -> dict[str, str]:
    """The texts of a free-form object, where it is one."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: text for name, text in items if isinstance(text, str)}
