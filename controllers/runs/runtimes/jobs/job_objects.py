"""Builds the Job and the ConfigMap of a piece of work, and the Job's tombstone. Pure."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from controllers import kube
from controllers.runner import templates
from controllers.runs import json_access, naming, projections
from controllers.runs.runtimes.base import JSON, Code, Key, RuntimeFault, Stage, Work
from crds import names
from crds.admission.pods import effective_pod, pod_sources

# Upstream's default: long enough to inspect the Job, short enough for etcd.
DEFAULT_TTL_SECONDS: Final = 600
MIN_TTL_SECONDS: Final = 30
MAX_TTL_SECONDS: Final = 7 * 24 * 3600
# The controller enforces timeouts; if it is down, Kubernetes does, a little later.
DEADLINE_SLACK_SECONDS: Final = 60
# Limit of a ConfigMap's data: k8s.io/kubernetes/pkg/apis/core MaxSecretSize.
MAX_TEMPLATE_BYTES: Final = 1024 * 1024


# With retries, a Job does not count disruptions (KEP-3329). Without retries it fails at once: the
# agent decides about another attempt.
_UNCOUNTED: Final = {
    "rules": [
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        }
    ]
}


class _Templates:
    """Renders the templates of an object, within its size limit.

    Args:
        piece: Provides the values.
        inputs: The inputs, including those unknown to the controller.
        escape: Escapes a value for the reader of the result.
    """

    def __init__(
        self, piece: Work, inputs: Mapping[str, JSON], escape: Callable[[str], str] = str
    ) -> None:
        self._names = {**piece.runner_json, "inputs": inputs}
        self._escape, self._room = escape, MAX_TEMPLATE_BYTES

    def render(self, template: str) -> str:
        """Render a template.

        Raises:
            RuntimeFault: The results together are too large.
        """
        try:
            rendered = templates.render(template, self._names, self._room, escape=self._escape)
        except templates.TooLargeError as error:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected the provider's rendered templates to have at most {MAX_TEMPLATE_BYTES} "
                "bytes, got more: shorten the inputs, or use them less often",
            ) from error
        self._room -= templates.size(rendered)
        return rendered


class _Expanded(dict[str, JSON]):
    """The inputs, with $(VARIABLE) for those in Secrets and ConfigMaps."""

    def __init__(self, piece: Work) -> None:
        super().__init__(piece.runner_json.get("inputs") or {})
        self._variables = piece.runner_json.get("inputsFrom") or {}

    def get(self, name: str, default: JSON = None) -> JSON:
        """Return a value, or the variable reference that the kubelet expands."""
        variable = self._variables.get(name)
        return templates.Verbatim(f"$({variable})") if variable else super().get(name, default)


class _Known(_Expanded):
    """The inputs, where those in Secrets and ConfigMaps are not available."""

    def get(self, name: str, default: JSON = None) -> JSON:
        """Return a value.

        Raises:
            RuntimeFault: It is unknown to the controller.
        """
        if name in self._variables:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected no input from a Secret or ConfigMap in the provider's spec.files, got "
                f"{name!r}: use it in spec.env, in the runner's args, or in what the agent-runner "
                "renders (spec.adapter)",
            )
        return super().get(name, default)


def _doubled(text: str) -> str:
    """Escape a text for the kubelet, which expands $(NAME) and replaces $$ by a dollar."""
    return text.replace("$", "$$")


def job(key: Key, piece: Work) -> dict[str, JSON]:
    """Build the Job of a piece of work.

    Raises:
        RuntimeFault: No image is configured.
    """
    runtime = piece.spec.get("runtime") or {}
    labels, template = _labels(piece), _template(key, piece)
    ttl = _kept_seconds(runtime)
    deadline = piece.timeout_seconds
    repeats = runtime.get("backoffLimit") or 0
    spec = {
        "backoffLimit": repeats,
        "podFailurePolicy": _UNCOUNTED if repeats else None,
        "activeDeadlineSeconds": int(deadline) + DEADLINE_SLACK_SECONDS if deadline else None,
        "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
    }
    metadata = {**_metadata(key, piece), "labels": labels}
    # A TTL would delete the Job with its outcome while the controller is down: see `expiry`.
    metadata["annotations"] = {
        **_foreign(effective_pod.own_annotations(piece.spec)),
        **metadata["annotations"],
        naming.TTL_ANNOTATION: str(_ttl_seconds(ttl) or 0),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": json_access.present(spec),
    }


def expiry(job: projections.Job) -> kube.JSON | None:
    """Return the patch that sets a Job's TTL; None if not needed.

    To be applied once its outcome is recorded.
    """
    given = job.metadata.annotations.get(naming.TTL_ANNOTATION, "")
    is_set = job.spec.ttl_seconds_after_finished is not None
    ttl = _ttl_seconds(int(given)) if given.isdecimal() and len(given) < _MAX_DIGITS else None
    if job.ending is None or is_set or ttl is None:
        return None
    uid = {"uid": job.metadata.uid}  # fails if the Job was recreated
    return {"metadata": uid, "spec": {"ttlSecondsAfterFinished": ttl}}


_MAX_DIGITS: Final = 10


def config_map(key: Key, piece: Work) -> dict[str, JSON]:
    """Build the immutable ConfigMap with the pod's files."""
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


def tombstones(key: Key, piece: Work) -> Iterator[dict[str, JSON]]:
    """Yield suspended Jobs that reserve the name of one that must not start any more.

    They have no owner: garbage collection would delete them with the run, and a late creation could
    succeed after all. The reaper deletes them when no request can be in flight any more.

    Yields:
        First one that looks like the work's own Job to policies: with its labels, image, resources
        and security context; then, if that is rejected, one with only the operator's image.
    """
    yield _tombstone(key, piece)
    runtime = piece.spec.get("runtime") or {}
    metadata = {name: runtime[name] for name in ("labels", "annotations") if name in runtime}
    bare = {"agentRef": piece.spec.get("agentRef") or {}, "runtime": metadata or None}
    plain = dataclasses.replace(
        piece, spec=json_access.present(bare), provider={}, system_prompt=None
    )
    if plain != piece:
        yield _tombstone(key, plain)


def _tombstone(key: Key, piece: Work) -> dict[str, JSON]:
    labels = {**_labels(piece), naming.TOMBSTONE_LABEL: "true"}
    pod = effective_pod.build(sources(piece)).template
    metadata = {
        "name": naming.of_key(key),
        "namespace": piece.namespace,
        "labels": labels,
        "annotations": _foreign(effective_pod.own_annotations(piece.spec)),
    }
    spec = {name: value for name, value in pod["spec"].items() if name != "volumes"}
    given = pod["spec"]["containers"][0]
    container = {name: given[name] for name in _SEEN_BY_POLICIES if name in given}
    spec["containers"] = [{"image": NO_IMAGE, **container}]
    template = {"metadata": {**pod["metadata"], "labels": labels}, "spec": spec}
    # A queue may resume a suspended Job: without parallelism it gets no pods even then.
    job_spec = {"suspend": True, "parallelism": 0, "backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job_spec}


_SEEN_BY_POLICIES: Final = ("name", "image", "resources", "securityContext")
# Placeholder if no image is configured: it is never pulled.
NO_IMAGE: Final = "pause:3.10"


def is_mine(metadata: kube.Metadata, key: Key, piece: Work) -> bool:
    """Return whether an object was created for this piece of work, or is its tombstone."""
    if metadata.name != naming.of_key(key) or metadata.namespace != piece.namespace:
        return False
    if naming.TOMBSTONE_LABEL in metadata.labels:
        return metadata.labels.get(naming.RUN_LABEL) == piece.uid
    owners = {owner.uid for owner in metadata.owner_references if owner.is_of(projections.RUNS)}
    return piece.uid in owners and metadata.annotations.get(naming.KEY_ANNOTATION) == key


def _metadata(key: Key, piece: Work) -> dict[str, JSON]:
    return {
        "name": naming.of_key(key),
        "namespace": piece.namespace,
        "annotations": {naming.KEY_ANNOTATION: key},
        "ownerReferences": [
            {
                **projections.owner(piece.run, piece.uid),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def _labels(piece: Work) -> dict[str, str]:
    agent = (piece.spec.get("agentRef") or {}).get("name") or ""
    labels = {
        **_foreign(effective_pod.own_labels(piece.spec)),
        naming.RUN_LABEL: piece.uid,
        naming.NAME_LABEL: names.label(piece.run),
        naming.AGENT_LABEL: names.label(agent),
    }
    return {**labels, naming.STEP_LABEL: names.label(piece.step)} if piece.step else labels


def _foreign(given: Mapping[str, str]) -> dict[str, str]:
    """Drop keys with a meaning for the controller, whatever policies allow."""
    return {key: text for key, text in given.items() if not key.startswith(f"{naming.GROUP}/")}


def _kept_seconds(runtime: Mapping[str, JSON]) -> int | None:
    """Return how long a Job is kept: for its own TTL, and at least for the logs of its pods.

    None for the default, 0 for forever.
    """
    ttl = json_access.seconds(runtime.get("jobTTL"))
    logs = json_access.seconds(runtime.get("logRetention"))
    return ttl if logs is None or ttl == 0 else max(ttl or DEFAULT_TTL_SECONDS, logs)


def _ttl_seconds(ttl: int | None) -> int | None:
    if ttl is None:
        return DEFAULT_TTL_SECONDS
    return min(max(ttl, MIN_TTL_SECONDS), MAX_TTL_SECONDS) if ttl else None


# ------------------------------------------------------------------------------------- the pod


def sources(piece: Work) -> pod_sources.Sources:
    """Return the sources of a pod."""
    return pod_sources.Sources(
        spec=pod_sources.fields_of(piece.spec),
        provider=piece.provider,
        system_prompt=piece.system_prompt,
        pods=piece.pods,
        references=piece.references,
    )


def _template(key: Key, piece: Work) -> dict[str, JSON]:
    """Return the pod that was checked by policies, with its files and rendered templates."""
    pod = effective_pod.build(
        sources(piece),
        config_map=naming.of_key(key),
        folder=f"{piece.uid}-{piece.attempt}",
        variables=_variables(piece),
        render=_Templates(piece, _Expanded(piece), _doubled).render,
    ).template
    if "image" not in pod["spec"]["containers"][0]:
        raise RuntimeFault(
            Code.TERMINAL,
            "expected an image in spec.workload.image, in the provider's spec.workload.image, in "
            "the operator's settings (pods: image) or in the controller's --image, got none",
        )
    return pod


def _variables(piece: Work) -> dict[str, str]:
    """Return the environment variables of the runner."""
    vcs = piece.spec.get("vcs") or {}
    variables = {
        "AGENT_RUN_SPEC": pod_sources.RUN_JSON,
        "AGENT_RUNNER_SPEC_PATH": pod_sources.RUNNER_JSON,
        "AGENT_PROVIDER": str(piece.runner_json.get("provider") or ""),
        **prompt_variables(piece, pod_sources.SYSTEM_PROMPT),
        "VCS_PROVIDER_NAME": (vcs.get("providerRef") or {}).get("name"),
        "VCS_MODE": vcs.get("mode"),
    }
    return json_access.present(variables)


def prompt_variables(piece: Work, path: str) -> dict[str, str]:
    """Return the environment variables for the system prompt, if there is one."""
    if not piece.system_prompt:
        return {}
    variables = {"CODEX_SYSTEM_PROMPT_PATH": path, "CODEX_SYSTEM_PROMPT_REQUIRED": "true"}
    if piece.system_prompt_hash:
        variables["CODEX_SYSTEM_PROMPT_EXPECTED_HASH"] = piece.system_prompt_hash
    return variables


def _contents(piece: Work) -> Iterator[str]:
    """Yield the content of each inline file."""
    filled = _Templates(piece, _Known(piece))
    written = pod_sources.written_files(piece.provider, piece.system_prompt)
    for _, content, is_template in written:
        yield filled.render(content) if is_template else content


def _json(value: JSON) -> str:
    return msgspec.json.encode(value).decode()


# ------------------------------------------------------------------------------- state of a Job


def stage(job: projections.Job) -> Stage:
    """Return the stage of a Job that has not ended."""
    status = job.status
    if naming.CANCELLED_ANNOTATION in job.metadata.annotations:
        is_over = not status.active and not status.terminating and _has_no_pods_to_come(job)
        return Stage.CANCELLED if is_over else Stage.CANCELLING
    return Stage.RUNNING if status.ready and not job.spec.suspend else Stage.PENDING


def _has_no_pods_to_come(job: projections.Job) -> bool:
    """Return whether the Job controller observed the suspension, or another resumed it since."""
    return _is_seen_suspended(job) or (not job.spec.suspend and not job.spec.parallelism)


def _is_seen_suspended(job: projections.Job) -> bool:
    return any(
        condition.type == "Suspended" and condition.status == "True"
        for condition in job.status.conditions
    )


def is_held(job: projections.Job) -> bool:
    """Return whether another controller suspends it, or resumed it but this is not observed yet."""
    has_begun = bool(job.status.start_time)
    return job.spec.suspend or (not has_begun and _is_seen_suspended(job))


def is_over(job: projections.Job) -> bool:
    """Return whether a Job's pods have ended, and none can start."""
    is_tombstone = naming.TOMBSTONE_LABEL in job.metadata.labels
    return is_tombstone or job.ending is not None or stage(job) is Stage.CANCELLED
