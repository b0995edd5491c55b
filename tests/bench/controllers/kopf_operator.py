"""The loop of our controller of AgentRuns on kopf, to measure ours against. Shell: the cluster.

``python kopf_operator.py --kubeconfig FILE --namespace NAME`` in kopf's own environment, where
nothing of ours is installed. What kopf itself has no call for (a Job, a ConfigMap, a status) goes
through its own HTTP layer, which takes less than any client that its users add. The limit is kept
in memory, so that it ends with the process.
"""

import argparse
import asyncio
import base64
import dataclasses
import datetime as dt
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

# These are in the benchmark's own environment, where no types are checked.
import kopf  # type: ignore[import-not-found]
import uvloop
from kopf._cogs.clients import api, errors  # type: ignore[import-not-found]

GROUP: Final = "agents.proompteng.ai"
RUN_LABEL: Final = f"{GROUP}/run-uid"
CONTAINER: Final = "agent-runner"
ROOT: Final = "/workspace"
MOST: Final = 100
MERGE: Final = {"Content-Type": "application/merge-patch+json"}
_CONFLICT: Final = 409
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
JSON = Any
_log = logging.getLogger(__name__)


@dataclasses.dataclass
class Known:
    """What is kept of a run while it goes."""

    body: JSON
    conditions: dict[str, JSON] = dataclasses.field(default_factory=dict)
    reason: str = ""
    submitted: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


class Operator:
    """The handlers, and what they share."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(MOST)
        self._runs: dict[str, Known] = {}
        self._seen: set[str] = set()

    async def created(self, *, body: JSON, **_: Any) -> None:
        """Start a run as soon as it gets a slot."""
        body = json.loads(json.dumps(dict(body)))
        uid = body["metadata"]["uid"]
        if uid in self._seen:
            return  # kopf calls again for what it saw before its own mark that all is done
        self._seen.add(uid)
        run = self._runs[uid] = Known(body)
        namespace, spec = body["metadata"]["namespace"], body["spec"]
        agent = await self._get("agents", namespace, spec["agentRef"]["name"])
        provider = await self._get(
            "agentproviders", namespace, agent["spec"]["providerRef"]["name"]
        )
        if self._slots.locked():
            await self._blocked(run)
        await self._slots.acquire()
        core, jobs = (f"/{one}/namespaces/{namespace}" for one in ("api/v1", "apis/batch/v1"))
        await self._create(f"{core}/configmaps", config_map(body, agent, provider))
        job = await self._create(f"{jobs}/jobs", job_of(body, agent, provider))
        name = job["metadata"]["name"]
        reference = {
            "type": "Job",
            "name": name,
            "namespace": namespace,
            "uid": job["metadata"]["uid"],
        }
        fields = {"attempt": 1, "startTime": now(), "runtimeRef": reference, "queue": None}
        await self._write(run, "Running", "Submitted", fields)
        run.submitted.set()
        self._tell(run, "Submitted", f"Submitted to Job as {name}.")

    async def job_changed(self, *, body: JSON, **_: Any) -> None:
        """Say what has become of a Job."""
        run = self._runs.get(body["metadata"]["labels"][RUN_LABEL])
        if run is None:
            return
        await run.submitted.wait()
        status = body.get("status") or {}
        for one in status.get("conditions") or ():
            if one["type"] in {"Complete", "Failed"} and one["status"] == "True":
                await self._ended(run, body, one["type"])
                return
        if status.get("ready") and run.reason != "Running":
            await self._write(run, "Running", "Running", {})
            self._tell(run, "Started", f"The agent started in {body['metadata']['name']}.")

    async def _blocked(self, run: Known) -> None:
        message = "The cluster's limit on runs in flight is reached."
        queue = {"blockedBy": "Cluster", "since": now()}
        fields = {"message": message, "queue": queue}
        await self._write(run, "Pending", "ConcurrencyLimit", fields)
        self._tell(run, "Blocked", message)

    async def _ended(self, run: Known, job: JSON, kind: str) -> None:
        if self._runs.pop(run.body["metadata"]["uid"], None) is None:
            return  # it was told before
        runner = await self._report(job)
        self._slots.release()
        phase = "Succeeded" if kind == "Complete" else "Failed"
        reason = "Completed" if kind == "Complete" else "RunnerFailed"
        await self._write(run, phase, reason, {"completionTime": now(), "runner": runner})
        self._tell(run, phase, reason)

    async def _report(self, job: JSON) -> JSON:
        """What the kubelet knows of the runner's end."""
        metadata = job["metadata"]
        url = f"/api/v1/namespaces/{metadata['namespace']}/pods"
        pods = await self._send(
            "get", f"{url}?labelSelector=batch.kubernetes.io/job-name={metadata['name']}"
        )
        for pod in pods["items"]:
            for one in (pod.get("status") or {}).get("containerStatuses") or ():
                ended = (one.get("state") or {}).get("terminated")
                if one["name"] == CONTAINER and ended:
                    return {
                        "status": "Failed" if ended["exitCode"] else "Succeeded",
                        "exitCode": ended["exitCode"],
                        "startTime": ended["startedAt"],
                        "completionTime": ended["finishedAt"],
                    }
        return None

    async def _write(self, run: Known, phase: str, reason: str, fields: Mapping[str, JSON]) -> None:
        metadata = run.body["metadata"]
        run.reason = reason
        run.conditions = {one["type"]: one for one in conditions(run, phase, reason, fields)}
        status = {
            "phase": phase,
            "reason": reason,
            "message": None,
            "observedGeneration": metadata["generation"],
            "lastUpdateTime": now(),
            "conditions": [*run.conditions.values()],
            "specHash": hashed(run.body["spec"]),
            **fields,
        }
        url = (
            f"/apis/{GROUP}/v1beta1/namespaces/{metadata['namespace']}/agentruns/{metadata['name']}"
        )
        await self._send("patch", f"{url}/status", {"status": status}, MERGE)

    def _tell(self, run: Known, reason: str, message: str) -> None:
        kopf.event(run.body, type="Normal", reason=reason, message=message)

    async def _get(self, plural: str, namespace: str, name: str) -> JSON:
        return await self._send(
            "get", f"/apis/{GROUP}/v1beta1/namespaces/{namespace}/{plural}/{name}"
        )

    async def _create(self, url: str, body: JSON) -> JSON:
        try:
            return await self._send("post", url, body)
        except errors.APIConflictError:
            return await self._send("get", f"{url}/{body['metadata']['name']}")

    async def _send(
        self, method: str, url: str, body: JSON = None, headers: Mapping[str, str] | None = None
    ) -> JSON:
        response = await api.request(
            method, url, payload=body, headers=headers, settings=self._settings, logger=_log
        )
        async with response:
            return await response.json()


def now() -> str:
    """This instant, as Kubernetes writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(run: Known, phase: str, reason: str, fields: Mapping[str, JSON]) -> Iterator[JSON]:
    """What is said of a run; an instant stays while what it is about does."""
    said = {"Accepted": ("True", "Valid")}
    if phase == "Pending":
        said |= {"Admitted": ("False", reason), "Blocked": ("True", reason)}
    elif phase == "Running":
        said |= {
            "Admitted": ("True", "SlotHeld"),
            "Blocked": ("False", "NotBlocked"),
            "InProgress": ("True", reason),
        }
    else:
        said |= {
            "Admitted": ("False", "SlotReleased"),
            "Blocked": ("False", "NotBlocked"),
            "InProgress": ("False", "Ended"),
            **{
                name: ("True" if name == phase else "False", reason)
                for name in ("Succeeded", "Failed", "Cancelled")
            },
        }
    for name, (status, why) in said.items():
        before = run.conditions.get(name)
        is_same = before is not None and before["status"] == status
        yield {
            "type": name,
            "status": status,
            "reason": why,
            "message": fields.get("message") or "" if why == "ConcurrencyLimit" else "",
            "observedGeneration": run.body["metadata"]["generation"],
            "lastTransitionTime": before["lastTransitionTime"] if before and is_same else now(),
        }


def hashed(spec: JSON) -> str:
    """SHA-256 of what a run keeps."""
    may_change = {"cancel", "suspend", "priority", "retention"}
    kept = {name: spec[name] for name in spec if name not in may_change}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def metadata_of(run: JSON) -> JSON:
    """Of what carries a run out: who makes it twice makes one."""
    metadata = run["metadata"]
    key = f"{metadata['uid']}/1"
    digest = base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()
    return {
        "name": f"run-{digest[:20]}",
        "namespace": metadata["namespace"],
        "labels": labels_of(run),
        "annotations": {f"{GROUP}/key": key},
        "ownerReferences": [
            {
                "apiVersion": f"{GROUP}/v1beta1",
                "kind": "AgentRun",
                "name": metadata["name"],
                "uid": metadata["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def labels_of(run: JSON) -> dict[str, str]:
    """On the Job, its pods and the ConfigMap."""
    return {
        RUN_LABEL: run["metadata"]["uid"],
        f"{GROUP}/agent-run": run["metadata"]["name"],
        f"{GROUP}/agent": run["spec"]["agentRef"]["name"],
    }


def config_map(run: JSON, agent: JSON, provider: JSON) -> JSON:
    """The files that the pod finds."""
    spec, metadata = run["spec"], run["metadata"]
    task = (spec.get("implementation") or {}).get("inline") or {}
    inputs = {one["name"]: one.get("value") or "" for one in spec.get("parameters") or ()}
    name = agent["spec"]["providerRef"]["name"]
    run_file = {
        "provider": name,
        "agentRun": {key: metadata[key] for key in ("name", "uid", "namespace")},
        "implementation": task,
        "parameters": inputs,
        "artifacts": [],
        "prompt": task.get("text"),
    }
    runner_file = {
        "schemaVersion": f"{GROUP}/runner/v1",
        "provider": name,
        "inputs": inputs,
        "artifacts": {},
        "providerSpec": {"outputArtifacts": []},
        "adapter": {"type": "exec", "exec": provider["spec"]["adapter"].get("exec") or {}},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata_of(run),
        "immutable": True,
        "data": {"run.json": json.dumps(run_file), "agent-runner.json": json.dumps(runner_file)},
    }


def job_of(run: JSON, agent: JSON, provider: JSON) -> JSON:
    """The Job that carries a run out."""
    runtime, metadata = run["spec"]["runtime"], metadata_of(run)
    ttl = runtime.get("jobTTL")
    files = ("run.json", "agent-runner.json")
    container = {
        "name": CONTAINER,
        "image": "runner",
        "command": [provider["spec"]["runner"]["command"]],
        "env": [
            {"name": "AGENT_RUN_SPEC", "value": f"{ROOT}/run.json"},
            {"name": "AGENT_RUNNER_SPEC_PATH", "value": f"{ROOT}/agent-runner.json"},
            {"name": "AGENT_PROVIDER", "value": agent["spec"]["providerRef"]["name"]},
        ],
        "terminationMessagePath": f"{ROOT}/.agent/status.json",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": "workspace", "mountPath": ROOT},
            *(
                {"name": "spec", "mountPath": f"{ROOT}/{one}", "subPath": one, "readOnly": True}
                for one in files
            ),
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": runtime.get("backoffLimit") or 0,
            "ttlSecondsAfterFinished": int(ttl[:-1]) * _SECONDS[ttl[-1]] if ttl else 600,
            "template": {
                "metadata": {"labels": labels_of(run)},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [container],
                    "volumes": [
                        {"name": "workspace", "emptyDir": {}},
                        {"name": "spec", "configMap": {"name": metadata["name"]}},
                    ],
                },
            },
        },
    }


async def operate(namespace: str) -> None:
    """Register the handlers, and work until killed."""
    settings = kopf.OperatorSettings()
    operator = Operator(settings)
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    kopf.on.create(GROUP, "v1beta1", "agentruns", registry=registry)(operator.created)
    of_runs = {RUN_LABEL: kopf.PRESENT}
    kopf.on.event("batch", "v1", "jobs", labels=of_runs, registry=registry)(operator.job_changed)
    ready = asyncio.Event()
    working = asyncio.ensure_future(
        kopf.operator(
            registry=registry,
            settings=settings,
            namespaces=[namespace],
            standalone=True,
            ready_flag=ready,
        )
    )
    await ready.wait()
    print(f"serving {namespace}", flush=True)  # noqa: T201 - output
    await working


def main() -> None:
    """Work until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    given = parser.parse_args()
    os.environ["KUBECONFIG"] = given.kubeconfig
    kopf.configure()
    logging.getLogger("kopf").setLevel(logging.WARNING)
    uvloop.run(operate(given.namespace))


if __name__ == "__main__":
    main()
