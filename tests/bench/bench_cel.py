"""CEL rules on objects of 3 KB and 100 KB: ours, cel-python and Google's C++ runtime, side by side.

``python tests/bench/bench_cel.py``. Medians of interleaved rounds; the table comes last. Each
evaluator starts from the same JSON value, so that converting it counts. Exit code 1: ours are not
as fast as they have to be.
"""

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import celpy
import orjson
from cel_expr_python import cel as google  # type: ignore[import-untyped] # no py.typed
from celpy import adapter

from schemagen import cel
from schemagen.problems import JSON

ROUNDS = 9
ROUND_SECONDS = 0.02

MAX_SMALL_US = 50.0
MAX_FIRST_US = 150.0
MAX_FURTHER_US = 10.0

LONG_LIST = 50

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
STEP = {"type": "object", "properties": {"name": TEXT, "text": TEXT, "weight": INTEGER}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "least": INTEGER,
                "most": INTEGER,
                "name": TEXT,
                "memory": TEXT,
                "steps": {"type": "array", "items": STEP},
            },
        }
    },
}

# Rules that look at a few fields, as most do, and rules that go through the list.
FIELDS = {
    "compare": "self.spec.least <= self.spec.most && self.spec.most < 100",
    "presence": "!has(self.spec.name) || self.spec.name.size() < 64",
    "pattern": "self.spec.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "size": "self.spec.steps.size() < 5000",
}
LISTS = {
    "all": "self.spec.steps.all(s, s.weight >= 0)",
    "unique": "self.spec.steps.all(x, self.spec.steps.exists_one(y, x.name == y.name))",
}
KUBERNETES = {"quantity": "quantity(self.spec.memory).isLessThan(quantity('1Ti'))"}


def value(steps: int, text_bytes: int) -> JSON:
    """An object that keeps all rules."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Thing",
        "metadata": {"name": "thing"},
        "spec": {
            "least": 1,
            "most": 5,
            "name": "a-thing",
            "memory": "1.5Gi",
            "steps": [
                {"name": f"step-{number}", "text": "x" * text_bytes, "weight": number}
                for number in range(steps)
            ],
        },
    }


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table, in microseconds; None where an evaluator cannot, or was not asked."""

    name: str
    ours: float
    google: float | None
    celpy: float | None


def main() -> int:
    """Measure, print, judge."""
    small, large = value(12, 180), value(100, 940)
    rows = {
        "small": _rows(small, {**FIELDS, **LISTS, **KUBERNETES}),
        "large": _rows(large, {**FIELDS, **LISTS, **KUBERNETES}),
    }
    further = _further(large)
    _print("3 KB", small, rows["small"])
    _print("100 KB", large, rows["large"])
    print(f"each further rule on 100 KB, of {len(FIELDS)} on fields: {further:.1f} us")  # noqa: T201 - the output
    return 0 if _is_fast(rows, further) else 1


def _rows(value_: JSON, rules: Mapping[str, str]) -> list[Row]:
    found = []
    for name, rule in rules.items():
        runs = {"ours": _ours(rule, value_)}
        if name not in KUBERNETES:
            runs["google"] = _google(rule, value_)
            runs["celpy"] = _celpy(rule, value_)
        if name == "unique" and value_["spec"]["steps"][LONG_LIST:]:
            # The C++ runtime gives up after 10,000 steps, and cel-python takes seconds.
            runs = {"ours": runs["ours"]}
        taken = _medians(runs)
        found.append(Row(name, taken["ours"], taken.get("google"), taken.get("celpy")))
    return found


def _ours(rule: str, value_: JSON) -> Callable[[], object]:
    rules = cel.Rules({**SCHEMA, "x-kubernetes-validations": [{"rule": rule}]})
    return lambda: _good(rules.check(value_) == cel.Outcome())


def _google(rule: str, value_: JSON) -> Callable[[], object]:
    environment = google.NewEnv(variables={"self": google.Type.DYN})
    program = environment.compile(rule)
    return lambda: program.eval(environment.Activation({"self": value_})).value()


def _celpy(rule: str, value_: JSON) -> Callable[[], object]:
    environment = celpy.Environment()
    program = environment.program(environment.compile(rule))
    return lambda: program.evaluate({"self": adapter.json_to_cel(value_)})


def _good(is_good: object) -> None:
    if not is_good:
        raise AssertionError("expected the rules to hold, got a finding; the bench is wrong")


def _further(value_: JSON) -> float:
    """What one more rule of a node costs."""
    said = [{"rule": rule} for rule in FIELDS.values()]
    one = cel.Rules({**SCHEMA, "x-kubernetes-validations": said[:1]})
    every = cel.Rules({**SCHEMA, "x-kubernetes-validations": said})
    taken = _medians({"one": lambda: one.check(value_), "every": lambda: every.check(value_)})
    return (taken["every"] - taken["one"]) / (len(said) - 1)


def _medians(runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds a call; the rounds are interleaved, as the machine does other things too."""
    counts = {name: _count(run) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            taken[name].append(_seconds(run, counts[name]) / counts[name] * 1e6)
    return {name: statistics.median(found) for name, found in taken.items()}


def _count(run: Callable[[], object]) -> int:
    run()
    return max(1, int(ROUND_SECONDS / max(_seconds(run, 3) / 3, 1e-7)))


def _seconds(run: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - start


def _print(title: str, value_: JSON, rows: Sequence[Row]) -> None:
    size = len(orjson.dumps(value_)) / 1000
    lines = [f"{title} ({size:.1f} KB)  {'ours':>9} {'cel-expr-python':>16} {'cel-python':>12}"]
    lines += [
        f"  {row.name:14} {row.ours:7.1f} us {_shown(row.google):>16} {_shown(row.celpy):>12}"
        for row in rows
    ]
    print("\n".join(lines))  # noqa: T201 - the output


def _shown(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds:,.0f} us"


def _is_fast(rows: Mapping[str, Sequence[Row]], further: float) -> bool:
    small = max(row.ours for row in rows["small"])
    first = max(row.ours for row in rows["large"])
    figures = (
        ("a rule on 3 KB", small, MAX_SMALL_US),
        ("the first rule on 100 KB", first, MAX_FIRST_US),
        ("each further rule on 100 KB", further, MAX_FURTHER_US),
    )
    for name, found, most in figures:
        verdict = "reached" if found <= most else "SHORT"
        print(f"{name:28} {found:6.1f} us, at most {most:5.0f} us: {verdict}")  # noqa: T201 - the output
    return all(found <= most for _, found, most in figures)


if __name__ == "__main__":
    sys.exit(main())
