"""What the conversion of a 3 KB AgentRun takes in process, JSON apart: compiled, and with care.

What orjson takes to read and to write the same object is taken off: reading and checking are one
step in a compiled conversion.

``python -m tests.bench.bench_conversion`` in the repository's root. Exit code 1: it takes longer
than it should.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

import crds
from schemagen.versions import graph
from schemagen.versions.converter import Converter

MAX_MICROSECONDS = 15.0
ROUNDS, TIMES = 15, 200


def run() -> dict[str, Any]:
    """A v1alpha1 run of five steps, as a team would write it; it needs no residue."""
    step = {
        "parameters": {"a": "1", "b": "2"},
        "timeoutSeconds": 600,
        "retries": 2,
        "retryBackoffSeconds": 30,
        "workload": {
            "image": "registry.example.com/build:1",
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            "volumes": [{"name": "v", "type": "pvc", "claimName": "c", "mountPath": "/v"}],
        },
    }
    inline = {
        "text": "Make the login page work again. " * 20,
        "summary": "Fix the login",
        "labels": ["web", "urgent"],
        "source": {"provider": "github", "externalId": "7", "url": "https://example.com/7"},
    }
    spec = {
        "agentRef": {"name": "codex"},
        "implementation": {"inline": inline},
        "goal": {"objective": "make it work", "tokenBudget": 1000},
        "runtime": {"type": "workflow", "config": {"serviceAccountName": "runner"}},
        "workflow": {"steps": [{"name": f"step-{number}", **step} for number in range(5)]},
        "parameters": {f"parameter-{number}": "some value" for number in range(10)},
        "secrets": ["github-token", "npm"],
        "vcsRef": {"name": "github"},
        "vcsPolicy": {"mode": "read-write", "required": True},
        "ttlSecondsAfterFinished": 86400,
        "idempotencyKey": "login-7",
    }
    return {
        "apiVersion": "agents.proompteng.ai/v1alpha1",
        "kind": "AgentRun",
        "metadata": {"name": "one", "namespace": "default", "labels": {"team": "web"}},
        "spec": spec,
        "status": {"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"},
    }


def microseconds(call: Callable[[], object]) -> float:
    """The fastest round: what other programs add to a round is none of the conversion's."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(TIMES):
            call()
        taken.append((time.perf_counter() - start) / TIMES * 1e6)
    return min(taken)


def main() -> int:
    """Print what each way takes."""
    kind = next(one for one in crds.api if one.name == "AgentRun")
    old = run()
    new = graph.convert(crds.api, kind, old, source="v1alpha1", target="v1beta1").object
    converter = Converter(crds.api)
    slowest = 0.0
    for source, target, value in (("v1alpha1", "v1beta1", old), ("v1beta1", "v1alpha1", new)):
        way = converter.way(kind, source, target)
        raw = msgspec.Raw(orjson.dumps(value))
        other = graph.convert(crds.api, kind, value, source=source, target=target).object
        if orjson.loads(way.at_once(raw) or b"null") != other:
            raise SystemExit(f"expected {source} -> {target} to be compiled")
        print(f"{source} -> {target}, an AgentRun of {len(bytes(raw))} bytes")  # noqa: T201 - output
        calls = {
            "compiled, from JSON to JSON": lambda: way.at_once(raw),  # noqa: B023
            "orjson alone": lambda: (orjson.loads(bytes(raw)), orjson.dumps(other)),  # noqa: B023
            "with care, JSON apart": lambda: way.with_care(value),  # noqa: B023
        }
        taken = {name: microseconds(call) for name, call in calls.items()}
        for name, found in taken.items():
            print(f"  {name:30} {found:8.1f} us")  # noqa: T201 - likewise
        apart = taken["compiled, from JSON to JSON"] - taken["orjson alone"]
        print(f"  {'compiled, JSON apart':30} {apart:8.1f} us")  # noqa: T201 - likewise
        slowest = max(slowest, apart)
    verdict = "reached" if slowest <= MAX_MICROSECONDS else "not reached"
    print(f"a conversion: {slowest:.1f} us, at most {MAX_MICROSECONDS:.0f} us: {verdict}")  # noqa: T201 - likewise
    return 0 if slowest <= MAX_MICROSECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
