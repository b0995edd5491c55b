"""How soon the judge is ready, how fast it judges, how much memory and room it takes.

``python -m tests.bench.bench_judge`` in the repository's root. Exit code 1: a figure is missed.
Times are of the CPU: the judge waits for nothing, and other work on the machine does not count.
"""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from schemagen import canonical, judge
from schemagen.judge import module
from schemagen.problems import JSON

ROOT = pathlib.Path(__file__).parents[2]
GROUP = "bench.example.com"

PROCESSES = 9
OBJECTS = 500
CRDS = 5

# Says how many milliseconds the first answer took, and how many KiB the process took at most.
FIRST_ANSWER = """\
import json, re, sys, time
from schemagen import judge
started = time.process_time()
asked = judge.Judge(deadline_seconds=60)
asked.check({})
taken = time.process_time() - started
for line in sys.stdin:
    asked.check(json.loads(line))
(most,) = re.findall(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(taken * 1000, most)
"""

RULES = [
    "self.parallelism <= self.completions",
    "!has(self.deadlineSeconds) || self.deadlineSeconds > 0",
    "self.steps.all(step, step.name.matches('^[a-z][a-z0-9-]*$'))",
    "self.steps.exists(step, has(step.image))",
    "self.labels.all(key, key.size() <= 63)",
]


@dataclasses.dataclass(frozen=True)
class Figure:
    """Something measured, and the most that it may be."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def is_met(self) -> bool:
        """Whether it is within its limit."""
        return self.value < self.limit

    def __str__(self) -> str:
        mark = "" if self.is_met else "  MISSED"
        return f"{self.name:34} {self.value:8.2f} {self.unit:3} of {self.limit:g}{mark}"


def definition(spec: JSON, versions: int = 1) -> JSON:
    """A CRD with a spec, the same in so many versions."""
    root = {"type": "object", "properties": {"spec": spec}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"jobs.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "jobs", "kind": "Job"},
            "versions": [
                {
                    "name": f"v{number}",
                    "served": True,
                    "storage": number == 1,
                    "schema": {"openAPIV3Schema": root},
                }
                for number in range(1, versions + 1)
            ],
        },
    }


def job_spec() -> JSON:
    """A spec with five rules."""
    text = {"type": "string", "maxLength": 256}
    step = {"name": {"type": "string", "maxLength": 63}, "image": text, "command": text}
    return {
        "type": "object",
        "required": ["parallelism", "completions", "steps"],
        "properties": {
            "parallelism": {"type": "integer"},
            "completions": {"type": "integer"},
            "deadlineSeconds": {"type": "integer"},
            "labels": {"type": "object", "maxProperties": 32, "additionalProperties": text},
            "steps": {
                "type": "array",
                "maxItems": 32,
                "items": {"type": "object", "required": ["name"], "properties": step},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        },
        "x-kubernetes-validations": [{"rule": rule} for rule in RULES],
    }


def job() -> JSON:
    """An object of 3 KB."""
    steps = [
        {"name": f"step-{n}", "image": "registry.example.com/" + "i" * 60, "command": "c" * 70}
        for n in range(12)
    ]
    spec = {
        "parallelism": 2,
        "completions": 4,
        "deadlineSeconds": 60,
        "labels": {f"label-{n}": "x" * 20 for n in range(12)},
        "steps": steps,
    }
    metadata = {"name": "a", "namespace": "default"}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def large_definition() -> JSON:
    """A CRD of more than 600 KB: pod templates and the like, with all their descriptions."""
    words = "What this is for, at such length as the API reference of Kubernetes has it. " * 5
    leaf = {"type": "string", "maxLength": 253, "description": words}

    def level(depth: int) -> JSON:
        children = {f"field{n}": leaf if depth == 0 else level(depth - 1) for n in range(6)}
        node: JSON = {"type": "object", "description": words, "properties": children}
        if depth == 1:
            rule = "!has(self.field0) || !has(self.field1)"
            node["x-kubernetes-validations"] = [{"rule": rule}]
        return node

    return definition(level(3))


def median_milliseconds(ask: Callable[[], judge.Verdict], count: int) -> float:
    """The median time of a verdict, which must be that all is well."""
    taken = []
    for _ in range(count):
        started = time.process_time()
        verdict = ask()
        taken.append(time.process_time() - started)
        assert verdict.allowed, verdict.message
    return statistics.median(taken) * 1000


def verdicts() -> list[Figure]:
    """How long verdicts take."""
    large = large_definition()
    megabytes = len(canonical.dumps(large)) / 1e6
    kilobytes = len(canonical.dumps(job())) / 1e3
    with judge.Judge(deadline_seconds=60) as asked, asked.load(definition(job_spec())) as loaded:
        value = job()
        of_object = median_milliseconds(lambda: loaded.create(value), OBJECTS)
        of_crd = median_milliseconds(lambda: asked.check(large), CRDS)
    return [
        Figure(f"object of {kilobytes:.1f} KB, {len(RULES)} rules", of_object, 2, "ms"),
        Figure(f"CRD of {megabytes * 1000:.0f} KB, 36 rules", of_crd, 1000, "ms"),
    ]


def processes() -> list[Figure]:
    """How soon a process has its first answer, and how much memory it takes."""
    answers = [_process("") for _ in range(PROCESSES)]
    large = json.dumps(large_definition())
    _, kibibytes = _process(f"{large}\n" * CRDS)
    return [
        Figure("ready", statistics.median(one for one, _ in answers), 50, "ms"),
        Figure(
            "memory of a process", statistics.median(kib for _, kib in answers) / 1024, 200, "MiB"
        ),
        Figure("after large CRDs", kibibytes / 1024, 200, "MiB"),
    ]


def _process(stdin: str) -> tuple[float, float]:
    command = [sys.executable, "-c", FIRST_ANSWER]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=True, cwd=ROOT
    )
    milliseconds, kibibytes = map(float, done.stdout.split())
    return milliseconds, kibibytes


def wheel() -> Figure:
    """How large the wheel is."""
    environment = {**os.environ, "KUBEWRIGHT_JUDGE": str(module.find())}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)
        (path,) = pathlib.Path(folder).iterdir()
        return Figure("wheel", path.stat().st_size / 1e6, 25, "MB")


def main() -> int:
    """Measure, tell; the exit code."""
    judge.Judge().check({})  # compiled once
    figures = [*processes(), *verdicts(), wheel()]
    sys.stdout.write("".join(f"{figure}\n" for figure in figures))
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
