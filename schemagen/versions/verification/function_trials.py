"""Trials of conversion functions on generated values, as functions cannot be inspected.

Whatever the schema of one version allows must convert to what the schema of the other allows,
without exceptions. The same values are generated each time.
"""

import copy
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from schemagen.differential import generation
from schemagen.model import registry
from schemagen.problems import JSON, kind_of, quoted
from schemagen.schema import keywords
from schemagen.versions import records, schema_places, steps
from schemagen.versions.schema_places import Fault, Missing, Node
from schemagen.versions.steps import ABSENT, Path
from schemagen.versions.verification import mapped_fields
from schemagen.versions.verification.step_types import Trial

# Enough to set each field of an object a few times: a draw omits up to nine of ten fields.
_DRAWS: Final = 12
# An object with more fields takes too long to generate and convert; its parts are tried separately.
_LARGE_NODES: Final = 150
_LARGE_DRAWS: Final = 4
_PATTERN_STRINGS: Final = 3
_SHRINKING_STEPS: Final = 200
_SHOWN_CHARACTERS: Final = 200

Convert = Callable[[JSON], JSON]


def of_step(trial: Trial) -> list[Fault]:
    """Yield what is wrong with a step made of functions, or with the functions in a record."""
    draw = _drawn if trial.old.path else _objects
    olds, news = draw(trial.old), draw(trial.new)
    step = trial.step
    found = [
        *_faults(
            step.up, olds, trial.old, trial.new, lambda _, value: _result(trial, trial.new, value)
        ),
        *_faults(
            step.down, news, trial.new, trial.old, lambda _, value: _result(trial, trial.old, value)
        ),
    ]
    if not found and not trial.is_mixed and _carries_nothing(step, olds, news):
        found = [
            Fault(
                trial.old.place,
                f"expected a step that carries values to {trial.new.place}, got functions that "
                f"returned ABSENT for each of {len(olds)} generated values, in both directions",
            )
        ]
    sides = {"old": (step.up, trial.old, olds), "new": (step.down, trial.new, news)}
    found += [
        gap.fault
        for gap in trial.gaps
        if not any(_depends(*sides[side], gap.path) for side in gap.sides)
    ]
    return [Fault(fault.place, fault.message, fault.line or trial.line) for fault in found]


def of_conversion(conversion: registry.ConversionProtocol, old: Node, new: Node) -> list[Fault]:
    """Yield what is wrong with a conversion made of two functions of whole objects."""
    olds, news = _objects(old), _objects(new)
    found = [
        *_faults(
            conversion.up, olds, old, new, lambda value, result: _whole(old, new, value, result)
        ),
        *_faults(
            conversion.down, news, new, old, lambda value, result: _whole(new, old, value, result)
        ),
    ]
    if found:
        return found
    return [
        _uncarried(node, other, path)
        for path in mapped_fields.common(old, new)
        for node, other, convert, values in (
            (old, new, conversion.up, olds),
            (new, old, conversion.down, news),
        )
        if not _depends(convert, node, values, path)
    ]


def _uncarried(node: Node, other: Node, path: Path) -> Fault:
    return Fault(
        schema_places.place_of(node.version, path),
        f"expected functions that carry it to {other.version}, which has the field too, got the "
        "same results for generated objects without it",
    )


def _drawn(node: Node) -> Sequence[JSON]:
    draw = generation.Draw(random.Random(0), pool=_PATTERN_STRINGS)  # noqa: S311 - nothing secret
    size = sum(1 for _ in itertools.islice(keywords.nodes(node.schema), _LARGE_NODES))
    count = _DRAWS if size < _LARGE_NODES else _LARGE_DRAWS
    return [draw.valid(node.schema) for _ in range(count)]


def _objects(node: Node) -> Sequence[JSON]:
    """Return whole objects, as the API server sends them."""
    head = {"apiVersion": f"example.com/{node.version}", "kind": "Example"}
    metadata = {"name": "one", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    return [{**value, **head, "metadata": metadata} for value in _drawn(node)]


Judge = Callable[[JSON, JSON], str | None]
"""Returns why a conversion's result is wrong, from its input and the result; None if it is right.
"""


def _faults(
    convert: Convert, values: Sequence[JSON], source: Node, target: Node, judge: Judge
) -> Iterator[Fault]:
    """Yield the first error in one direction, with a minimal value that shows it."""

    def problem(value: JSON) -> str | None:
        given = copy.deepcopy(value)
        try:
            result = convert(given)
        except Exception as error:  # noqa: BLE001 - anybody's function may raise anything
            return f"expected a value or ABSENT, got {type(error).__name__}: {quoted(str(error))}"
        if given != value:
            return "expected functions that do not mutate their arguments, got a changed argument"
        return judge(value, result)

    for value in values:
        found = problem(value)
        if found is not None:
            small = _smallest(value, problem)
            shown = json.dumps(small, ensure_ascii=False)[:_SHOWN_CHARACTERS]
            yield Fault(source.place, f"{found}, converting {shown} to {target.version}")
            return


def _result(trial: Trial, target: Node, result: JSON) -> str | None:
    """Return why a result is wrong for a step."""
    if result is ABSENT:
        return None
    if isinstance(trial.step, records.Record) and isinstance(result, dict):
        # Its other parts write existing fields, so an unknown one comes from the functions.
        for name in result:
            if isinstance(found := target.at((name,)), Missing):
                return _unknown(target, found)
    return _misfit(target, result, None, is_mixed=trial.is_mixed)


def _whole(source: Node, target: Node, value: JSON, result: JSON) -> str | None:
    """Return why a result is wrong for a conversion of whole objects."""
    if type(result) is not dict:
        return f"expected an object, got {schema_places.with_article(kind_of(result))}"
    if result.get("metadata") != value.get("metadata"):
        return "expected unchanged metadata, got a change"
    return _misfit(target, result, source, is_mixed=False)


def _unknown(target: Node, missing: Missing) -> str:
    place = schema_places.place_of(target.version, missing.path)
    return f"expected fields of {target.version}, got {place}: {missing}"


def _misfit(target: Node, value: JSON, source: Node | None, *, is_mixed: bool) -> str | None:
    """Return why a target's schema does not allow a value, or a part of it.

    Args:
        target: The place of the value.
        value: The result of a function.
        source: Its input: a field of both may be passed on, and is pruned.
        is_mixed: Whether unknown fields may come from steps that keep all of an object.
    """
    value = {} if isinstance(value, steps.Hollow) else value
    is_null = value is None and target.schema.get("nullable")
    if is_null or target.fit(value) is value:
        return None
    if type(value) is dict and target.type in {"object", "map"}:
        return _object_misfit(target, value, source, is_mixed=is_mixed)
    items = target.items
    if type(value) is list and items is not None:
        below = source.items if source is not None else None
        found = (_misfit(items, item, below, is_mixed=is_mixed) for item in value)
        return next((fault for fault in found if fault is not None), None)
    expected = schema_places.with_article(target.type)
    return (
        f"expected {expected} for {target.place}, got {schema_places.with_article(kind_of(value))}"
    )


def _object_misfit(
    target: Node, value: dict[str, JSON], source: Node | None, *, is_mixed: bool
) -> str | None:
    for name, item in value.items():
        child = target.at((name,))
        below = source.field(name) if source is not None else None
        if isinstance(child, Node):
            found = _misfit(child, item, below, is_mixed=is_mixed)
            if found is not None:
                return found
        elif below is None and not is_mixed:
            return _unknown(target, child)
    return None


def _carries_nothing(step: steps.Step, olds: Sequence[JSON], news: Sequence[JSON]) -> bool:
    """Return whether no value converts in either direction, generated ones or results of those."""
    ups, downs = [*map(step.up, olds)], [*map(step.down, news)]
    return all(value is ABSENT for value in (*ups, *downs))


def _depends(convert: Convert, node: Node, values: Sequence[JSON], path: Path) -> bool:
    """Return whether the result for some value depends on its field at a path."""

    def result(value: JSON) -> JSON:
        try:
            return convert(value)
        except Exception:  # noqa: BLE001 - without the field it may not be what the schema allows
            return ABSENT

    having = [value for value in values if steps.get(value, path) is not ABSENT]
    return any(
        result(value) != result(generation.without(value, path))
        for value in having or _having(node, values, path)
    )


def _having(node: Node, values: Sequence[JSON], path: Path) -> Iterator[JSON]:
    """Return values with a generated field at a path, where none of them had one."""
    field = node.at(path)
    for value, drawn in zip(values, _drawn(field) if isinstance(field, Node) else (), strict=False):
        changed = copy.deepcopy(value)
        steps.put(changed, path, drawn)
        yield changed


def _smallest(value: JSON, problem: Callable[[JSON], str | None]) -> JSON:
    """Return a minimal value that shows the same problem."""
    found = problem(value)
    tried = 0
    progress = True
    while progress and tried < _SHRINKING_STEPS:
        progress = False
        for candidate in _smaller(value):
            tried += 1
            if problem(candidate) == found:
                value, progress = candidate, True
                break
    return value


def _smaller(value: JSON) -> Iterator[JSON]:
    """Yield smaller values: parts removed, and scalars simplified."""
    places = sorted((path for path, _ in generation.places_of(value, {})), key=len)
    yield from (generation.without(value, path) for path in places if path)
    for path in places:
        part = generation.at(value, path)
        plain = {str: "", int: 0}.get(type(part), part)
        if part != plain:
            yield generation.replaced(value, path, plain)
