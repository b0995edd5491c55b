"""Costs of CEL rules, and the largest bounds that make a rule affordable.

The API server estimates a rule's worst case from the bounds of what it reads and of its enclosing
containers, and refuses a CRD over 10,000,000 for a rule. The judge computes the estimates.
"""

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

from schemagen import judge
from schemagen.crd import nulls
from schemagen.schema import expressions, keywords
from schemagen.schema.keywords import Schema

# Upper limit of a bound: a request has 3 MiB, and an item takes at least two bytes of it.
_MAX_BOUND: Final = 3 * 1024 * 1024 // 2
_BOUNDS = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}

Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds that make a rule affordable.

    Attributes:
        places: Places and keywords: ``(("spec.tags", "maxItems"),)``.
        most: The largest affordable value, the same for all of them.
    """

    places: tuple[tuple[str, str], ...]
    most: int

    def __str__(self) -> str:
        places = ", ".join(f"{keyword} of {place or '(root)'}" for place, keyword in self.places)
        return f"{self.most} as {places}"


@dataclasses.dataclass(frozen=True)
class Advice:
    """A rule that is too expensive, and how to fix it.

    Attributes:
        cost: The API server's estimate.
        choices: Alternative bounds that make the rule affordable; empty if none does.
    """

    cost: judge.Cost
    choices: tuple[Bounds, ...]

    def __str__(self) -> str:
        cost = self.cost
        problem = (
            f"{cost.version} {cost.path or '(root)'}: rule {cost.rule!r}: expected a cost of at "
            f"most {cost.limit}, got {cost.cost}, {cost.cost / cost.limit:.3g} times that"
        )
        if not self.choices:
            return (
                f"{problem}; no bound makes it affordable: write it without nested loops, or as a "
                "Policy"
            )
        return f"{problem}; the largest affordable bounds: {', or '.join(map(str, self.choices))}"


def advice(oracle: judge.Judge, crd: dict[str, Any]) -> Iterator[Advice]:
    """Return advice for each rule of a CRD that is too expensive.

    Args:
        oracle: The judge.
        crd: A CRD, accepted or refused.
    """
    crd = nulls.without_nulls(crd)
    for cost in oracle.check(crd, costs=True).costs:
        if cost.cost > cost.limit:
            yield Advice(cost, tuple(_choices(_Trial(oracle, crd, cost))))


def _choices(trial: "_Trial") -> Iterator[Bounds]:
    """Yield the first single bound that makes a rule affordable, and all bounds together."""
    candidates = [*trial.candidates()]
    alone = ((place, trial.largest([place])) for place in candidates)
    single = next(((place, bound) for place, bound in alone if bound), None)
    if single is not None:
        yield Bounds((trial.named(single[0]),), single[1])
    if len(candidates) > 1 and (bound := trial.largest(candidates)):
        yield Bounds(tuple(map(trial.named, candidates)), bound)


class _Trial:
    """A CRD reduced to a single rule, for trying bounds."""

    def __init__(self, oracle: judge.Judge, crd: dict[str, Any], cost: judge.Cost) -> None:
        self._judge, self._cost = oracle, cost
        self._crd = copy.deepcopy(crd)
        versions = self._crd["spec"]["versions"]
        (self._version,) = (version for version in versions if version["name"] == cost.version)
        self._crd["spec"]["versions"] = [self._version | {"storage": True}]
        self._crd["spec"].pop("conversion", None)
        self._version = self._crd["spec"]["versions"][0]
        self._root: Schema = self._version["schema"]["openAPIV3Schema"]
        self._path: Path = tuple(cost.path.split(".")) if cost.path not in {"", "<nil>"} else ()
        self._keep_one_rule()

    def _keep_one_rule(self) -> None:
        own = self.node(self._path)
        kept = [
            entry for entry in own["x-kubernetes-validations"] if entry["rule"] == self._cost.rule
        ]
        for _, node in keywords.nodes(self._root):
            node.pop("x-kubernetes-validations", None)
        own["x-kubernetes-validations"] = kept

    def node(self, path: Path) -> Schema:
        """Return the schema at a path of members, ``[]`` and ``{}``."""
        node = self._root
        for step in path:
            if step == "[]":
                node = node["items"]
            elif step == "{}":
                node = node["additionalProperties"]
            else:
                node = node["properties"][step]
        return node

    def named(self, place: Path) -> tuple[str, str]:
        """Return a place in user notation and the keyword that bounds it."""
        shown = ".".join(place).replace(".[]", "[]").replace(".{}", "{}")
        return shown, _BOUNDS[self.node(place)["type"]]

    def candidates(self) -> Iterator[Path]:
        """Yield places whose bounds count: containers around the rule, then what it reads."""
        for depth in range(len(self._path)):
            if self._is_container(self._path[:depth]):
                yield self._path[:depth]
        names = set(expressions.member_names(self._cost.rule))
        yield from self._below(self._path, names)

    def _is_container(self, path: Path) -> bool:
        node = self.node(path)
        return "items" in node or isinstance(node.get("additionalProperties"), dict)

    def _below(self, path: Path, names: set[str]) -> Iterator[Path]:
        node = self.node(path)
        if node.get("type") == "string" or self._is_container(path):
            yield path
        for name in node.get("properties", {}):
            if name in names:
                yield from self._below((*path, name), names)
        if "items" in node:
            yield from self._below((*path, "[]"), names)
        if isinstance(node.get("additionalProperties"), dict):
            yield from self._below((*path, "{}"), names)

    def largest(self, places: Sequence[Path]) -> int:
        """Return the largest affordable bound at the places; 0 if none is."""
        if not places or not self._fits(places, 1):
            return 0
        low, high = 1, min(self._now(place) for place in places)
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(places, middle):
                low = middle
            else:
                high = middle - 1
        return low

    def _now(self, place: Path) -> int:
        node = self.node(place)
        bound: int = node.get(_BOUNDS[node["type"]], _MAX_BOUND)
        return bound

    def _fits(self, places: Sequence[Path], bound: int) -> bool:
        before = [dict(self.node(place)) for place in places]
        for place in places:
            node = self.node(place)
            node[_BOUNDS[node["type"]]] = bound
        try:
            costs = self._judge.check(self._crd, costs=True).costs
        finally:
            for place, node in zip(places, before, strict=True):
                self.node(place).clear()
                self.node(place).update(node)
        return bool(costs) and all(cost.cost <= cost.limit for cost in costs)
