"""Steps of values, as a file names them: each with the schemas of its value. Pure."""

import fractions
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from schemagen.model.field_types import DeclarationError
from schemagen.versions import reshaping, schema_places, steps
from schemagen.versions.declared import file_format
from schemagen.versions.declared.file_format import Part, ValueStep
from schemagen.versions.schema_places import Fault, Node
from schemagen.versions.steps import Step

RecordOf: TypeAlias = Callable[[list[Part], Node, Node], Step]
"""Returns the record of an object's own steps."""
InPlace: TypeAlias = Callable[[Node, Node], Step]
"""Returns the step of a value that no step names."""


class ValueSteps:
    """Makes steps.

    Args:
        record_of: Makes records.
        in_place: Makes the step of a value that is only said to be kept.
        faults: Gets what is wrong.
    """

    def __init__(self, record_of: RecordOf, in_place: InPlace, faults: list[Fault]) -> None:
        self._record_of, self._in_place, self._faults = record_of, in_place, faults

    def step(self, entry: ValueStep | None, old: Node | None, new: Node | None, line: str) -> Step:
        """Return the step of an entry between two places; None keeps the value.

        Args:
            entry: The entry.
            old: The place in the older version; None if the step around this one has none.
            new: The place in the newer version.
            line: Where it is declared.
        """
        if entry is None or entry.name == "keep":
            return steps.KEEP if old is None or new is None else self._in_place(old, new)
        if entry.name in _PLAIN:
            return _PLAIN[entry.name]()
        if entry.name in _WITH_ARGUMENTS:
            return self._with_arguments(entry, old, line)
        return self._around(entry, old, new, line)

    def _with_arguments(self, entry: ValueStep, old: Node | None, line: str) -> Step:
        try:
            return _WITH_ARGUMENTS[entry.name](entry.arguments)
        except (ValueError, ZeroDivisionError, DeclarationError) as error:
            place = "object" if old is None else old.place
            self._faults.append(Fault(place, f"{entry.name}: {error}", line))
            return steps.KEEP

    def _around(self, entry: ValueStep, old: Node | None, new: Node | None, line: str) -> Step:
        """Return a step around another one."""
        given, name = entry.arguments, entry.name
        if name == "record":
            if old is None or new is None:
                return steps.KEEP  # the step around it is reported
            return self._record_of(given, old, new)
        if name in _OF_PLACES:
            around, places = _OF_PLACES[name]
            return around(self.step(given, *places(old, new), line))
        place = _values(new) if name == "list_to_map" else _items(new)
        return _KEYED[name](given.key, self.step(given.step, _items(old), place, line))


def _items(node: Node | None) -> Node | None:
    return None if node is None or node.type not in {"list", schema_places.ANY} else node.items


def _values(node: Node | None) -> Node | None:
    return None if node is None else node.values


_Places: TypeAlias = Callable[[Node | None, Node | None], tuple[Node | None, Node | None]]


def _both_items(old: Node | None, new: Node | None) -> tuple[Node | None, Node | None]:
    return _items(old), _items(new)


def _same(old: Node | None, new: Node | None) -> tuple[Node | None, Node | None]:
    return old, new


_OF_PLACES: Final[dict[str, tuple[Callable[[Step], Step], _Places]]] = {
    "each": (steps.each, _both_items),
    "each_once": (steps.each_once, _both_items),
    "single": (reshaping.single, lambda old, new: (old, _items(new))),
    "values": (steps.values, lambda old, new: (_values(old), _values(new))),
    "inverse": (reshaping.inverse, lambda old, new: (new, old)),
    "numeric": (steps.numeric, _same),
    "exact": (steps.exact, _same),
    "one_way": (steps.one_way, _same),
}
"""Steps around another one, and the places of that."""

_KEYED: Final[dict[str, Callable[[str, Step], Step]]] = {
    "each_by": steps.each_by,
    "each_by_last": steps.each_by_last,
    "list_to_map": reshaping.list_to_map,
}

_PLAIN: Final[dict[str, Callable[[], Step]]] = {
    "text": steps.text,
    "text_or_integer": steps.text_or_integer,
    "text_to_integer": reshaping.text_to_integer,
    "text_to_boolean": reshaping.text_to_boolean,
}


def _integer(given: file_format.Bounds | None) -> Step:
    return steps.integer() if given is None else steps.integer(least=given.least, most=given.most)


def _duration(given: file_format.Duration | None) -> Step:
    if given is None:
        return steps.to_duration()
    return steps.to_duration(least=given.least, most=given.most, spelled=given.spelled)


_WITH_ARGUMENTS: Final[dict[str, Callable[[Any], Step]]] = {
    "integer": _integer,
    "to_duration": _duration,
    "enumeration": steps.enumeration,
    "respelled": steps.respelled,
    "scaled": lambda factor: steps.scaled(fractions.Fraction(factor)),
    "wrap": steps.wrap,
    "joined": reshaping.joined,
    "map_to_list": lambda given: steps.map_to_list(given.key, given.value),
    "mapped": lambda pairs: reshaping.mapped([(pair.old, pair.new) for pair in pairs]),
}
