"""The Job and the ConfigMap of a piece of work, and the tombstone in a Job's place. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from controllers import kube
from controllers.runner import templates
from controllers.runs import naming, values, views
from controllers.runs.runtimes.base import JSON, Code, Key, RuntimeFault, Work
from crds import names
from crds.admission import effective_pod

# Upstream's: not so short that nobody sees the Job, not so long that etcd fills up.
DEFAULT_TTL_SECONDS: Final = 600
LEAST_TTL_SECONDS: Final = 30
MOST_TTL_SECONDS: Final = 7 * 24 * 3600
# The controller ends what takes too long; should it be down, Kubernetes does, a little later.
DEADLINE_SLACK_SECONDS: Final = 60
# k8s.io/kubernetes/pkg/apis/core MaxSecretSize, which a ConfigMap's data may have.
MAX_TEMPLATE_BYTES: Final = 1024 * 1024


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


def job(key: Key, piece: Work) -> dict[str, JSON]:
    """The Job that carries a piece of work out.

    Raises:
        RuntimeFault: Nobody names an image.
    """
    runtime = piece.spec.get("runtime") or {}
    labels, template = _labels(piece), _template(key, piece)
    ttl = values.seconds(runtime.get("jobTTL"))
    deadline = piece.timeout_seconds
    spec = {
        "backoffLimit": runtime.get("backoffLimit") or 0,
        "ttlSecondsAfterFinished": _ttl_seconds(ttl),
        "activeDeadlineSeconds": int(deadline) + DEADLINE_SLACK_SECONDS if deadline else None,
        "template": {**template, "metadata": {"labels": labels, **template["metadata"]}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**_metadata(key, piece), "labels": labels},
        "spec": values.present(spec),
    }


def config_map(key: Key, piece: Work) -> dict[str, JSON]:
    """The ConfigMap with the files that the pod finds; it never changes."""
    files = {f"input-{index}": content for index, content in enumerate(_contents(piece))}
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
        naming.NAME_LABEL: names.label(piece.run),
        naming.AGENT_LABEL: names.label(agent),
    }
    return {**found, naming.STEP_LABEL: names.label(piece.step)} if piece.step else found


def _ttl_seconds(ttl: int | None) -> int | None:
    if ttl is None:
        return DEFAULT_TTL_SECONDS
    return min(max(ttl, LEAST_TTL_SECONDS), MOST_TTL_SECONDS) if ttl else None


# ------------------------------------------------------------------------------------- the pod


def sources(piece: Work) -> effective_pod.Sources:
    """What the pod of a piece of work is merged from."""
    return effective_pod.Sources(
        spec=effective_pod.fields_of(piece.spec),
        provider=piece.provider,
        system_prompt=piece.system_prompt,
        pods=piece.pods,
    )


def _template(key: Key, piece: Work) -> dict[str, JSON]:
    """The pod that was judged, with its files and with its templates filled in."""
    found = effective_pod.build(
        sources(piece),
        config_map=naming.of_key(key),
        variables=_variables(piece),
        render=_Templates(piece).render,
    ).template
    if "image" not in found["spec"]["containers"][0]:
        raise RuntimeFault(
            Code.TERMINAL,
            "expected an image at spec.workload.image, at the provider's spec.workload.image, in "
            "the operator's settings (pods: image) or by the controller's --image, got none",
        )
    return found


def _variables(piece: Work) -> dict[str, str]:
    """What tells the runner where it is and what it may do."""
    vcs = piece.spec.get("vcs") or {}
    found = {
        "AGENT_RUN_SPEC": effective_pod.RUN_JSON,
        "AGENT_RUNNER_SPEC_PATH": effective_pod.RUNNER_JSON,
        "AGENT_PROVIDER": str(piece.runner_json.get("provider") or ""),
        **prompt_variables(piece, effective_pod.SYSTEM_PROMPT),
        "VCS_PROVIDER_NAME": (vcs.get("providerRef") or {}).get("name"),
        "VCS_MODE": vcs.get("mode"),
    }
    return values.present(found)


def prompt_variables(piece: Work, path: str) -> dict[str, str]:
    """What tells the runner of its system prompt, if it has one."""
    if not piece.system_prompt:
        return {}
    found = {"CODEX_SYSTEM_PROMPT_PATH": path, "CODEX_SYSTEM_PROMPT_REQUIRED": "true"}
    if piece.system_prompt_hash:
        found["CODEX_SYSTEM_PROMPT_EXPECTED_HASH"] = piece.system_prompt_hash
    return found


def _contents(piece: Work) -> Iterator[str]:
    """The content of each file that is written out."""
    filled = _Templates(piece)
    written = effective_pod.written_files(piece.provider, piece.system_prompt)
    for _, content, is_template in written:
        yield filled.render(content) if is_template else content


def _json(value: JSON) -> str:
    return msgspec.json.encode(value).decode()
