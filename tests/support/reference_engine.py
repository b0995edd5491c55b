"""A conversion that keeps what the other version cannot say, written the plain way, and faults.

It remembers whole objects, and takes their parts back by trial; a proof of round trips must pass
it, and must find each fault that is planted in it.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Literal

from schemagen import Api, Kind, canonical
from schemagen.problems import JSON
from schemagen.roundtrip import differences
from schemagen.roundtrip.differences import Difference
from schemagen.roundtrip.views import Views
from schemagen.versions.steps import ABSENT

Fault = Literal["default", "sibling", "parent", "status", "list", "edit"]
Value = dict[str, JSON]


@dataclasses.dataclass
class Engine:
    """Converts objects of a kind between adjacent versions.

    Attributes:
        fault: ``default``: what was kept is stale once the API server has defaulted; ``sibling``:
            once a field beside it is gone; ``parent``: once the object around it is gone;
            ``status``: none is kept for the status; ``list``: once a list has another length;
            ``edit``: once anything was edited.
    """

    api: Api
    kind: Kind
    fault: Fault | None = None
    _kept: dict[str, tuple[Value, Value]] = dataclasses.field(default_factory=dict)
    _names: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._views = Views(self.api, self.kind)

    def convert(self, value: Value, source: str, target: str) -> Value:
        """The object in another version."""
        names = self._views.names
        start, end = names.index(source), names.index(target)
        way = names[start : end + 1] if start < end else names[end : start + 1][::-1]
        for here, there in itertools.pairwise(way):
            value = self._step(value, here, there)
        return value

    def _step(self, value: Value, source: str, target: str) -> Value:
        said, notes = self._bare(value)
        plain = self._views.stepped(source, said, target)
        token = notes.pop(self._annotation(target), None)
        result = plain if token is None else self._restored(plain, said, source, target, token)
        if self._loses(said, source, result, target):
            name = f"kept-{next(self._names)}"
            notes[self._annotation(source)] = name
            self._kept[name] = (said, self._bare(result)[0])
        metadata = {**value["metadata"], "annotations": {**self._own(result), **notes}}
        return {**result, "metadata": metadata}

    def _restored(self, plain: Value, said: Value, source: str, target: str, token: str) -> Value:
        kept, sent = self._kept[token]
        if self._is_stale(sent, said, source):
            return plain
        same = self._meanings(target, plain, source)
        result = plain
        node = self._views.node(target)
        found = [
            *differences.differences(self._views.said(target, kept), plain, node, by_index=True)
        ]
        # All, then what is below one place, then one by one.
        above = dict.fromkeys(one.path[:at] for one in found for at in range(len(one.path)))
        units = [[one for one in found if one.path[: len(at)] == at] for at in above]
        for unit in [*units, *([one] for one in found)]:
            candidate = result
            for one in unit:
                if not self._is_given_up(one, plain, kept):
                    candidate = differences.put(candidate, one.path, one.before)
            if same & self._meanings(target, candidate, source):
                result = candidate
        return result

    def _meanings(self, version: str, said: Value, other: str) -> set[bytes]:
        hollows: tuple[JSON, ...] = ({}, ABSENT)
        return {self._views.meaning(version, said, other, hollow) for hollow in hollows}

    def _is_stale(self, sent: Value, said: Value, source: str) -> bool:
        if self.fault == "default":
            return canonical.dumps(sent.get("spec")) != canonical.dumps(said.get("spec"))
        if self.fault == "edit":
            one, other = (self._views.said(source, value) for value in (sent, said))
            return canonical.dumps(one) != canonical.dumps(other)
        return False

    def _is_given_up(self, one: Difference, plain: Value, kept: Value) -> bool:
        match self.fault:
            case "status":
                return one.path[0] == "status"
            case "parent":
                return len(one.path) > 2 and differences.get(plain, one.path[:2]) is ABSENT
            case "sibling":
                before, now = (differences.get(value, one.path[:-1]) for value in (kept, plain))
                size = len(now) if isinstance(now, dict) else 0
                return isinstance(before, dict) and len(before) > size + 1
            case "list":
                lists = [differences.get(value, ("spec", "tags")) for value in (kept, plain)]
                return "tags" in one.path and len({len(each or ()) for each in lists}) > 1
            case _:
                return False

    def _loses(self, said: Value, source: str, result: Value, target: str) -> bool:
        there = self._bare(result)[0]
        ways = (there, self._views.said(target, there))
        return {self._views.meaning(target, way, source) for way in ways} != {
            self._views.meaning(source, said, source)
        }

    def _bare(self, value: Value) -> tuple[Value, dict[str, JSON]]:
        """What an object says, without the names of what is kept for it."""
        notes = self._views.residue(value)
        annotations = {key: text for key, text in self._own(value).items() if key not in notes}
        metadata = {**value["metadata"], "annotations": annotations}
        rest = {key: item for key, item in value.items() if key not in {"apiVersion", "kind"}}
        return {**rest, "metadata": metadata}, notes

    def _own(self, value: Value) -> dict[str, JSON]:
        return value["metadata"].get("annotations") or {}

    def _annotation(self, version: str) -> str:
        return f"conversion.{self.api.group}/{version}-residue"
