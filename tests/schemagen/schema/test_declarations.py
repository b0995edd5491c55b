"""Invalid Api declarations: each is refused where it is written, with a correction."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from schemagen import (
    Api,
    Cel,
    Column,
    Conversion,
    Kind,
    MaxBytes,
    Policy,
    Resource,
    Rules,
    Scale,
    Spec,
    Version,
    records,
)
from schemagen.model import field_types


class ThingSpec(Spec):
    a: int = 0


class Thing(Resource):
    spec: ThingSpec


STEP = Conversion(records.record())


def version(name: str = "v1", **said: Any) -> Version:
    return Version(name, **{"model": Thing, "storage": name == "v1", **said})


def kind(name: str = "Thing", plural: str = "things", *versions: Version, **said: Any) -> Kind:
    return Kind(name, plural, versions or (version(),), **said)


def api(*kinds: Any, group: Any = "example.com") -> Api:
    return Api(group, kinds)


# A declaration, and the whole message.
FAULTS: Mapping[str, tuple[Callable[[], object], str]] = {
    "a missing comma: a Kind for kinds": (
        lambda: Api("example.com", kind()),  # type: ignore[arg-type]
        "Api(kinds=...): expected a tuple of Kinds, got a Kind; write (Kind(...),), with the comma",
    ),
    "a missing comma: a Version for versions": (
        lambda: Kind("Thing", "things", version()),  # type: ignore[arg-type]
        (
            "Kind('Thing', versions=...): expected a tuple of Versions, got a Version; "
            "write (Version(...),), with the comma"
        ),
    ),
    "a string for categories": (
        lambda: kind(categories="all"),
        (
            "Kind('Thing', categories=...): expected a tuple of strings, got 'all'; "
            "write ('all',), with the comma"
        ),
    ),
    "an item of another type": (
        lambda: api(kind(), "Other"),
        "Api(kinds=...): expected a tuple of Kinds, got 'Other' at [1]",
    ),
    "the class instead of an object": (
        lambda: kind(rules=Rules),
        "Kind('Thing', rules=...): expected a Rules, got the class Rules; write Rules(...)",
    ),
    "a comma too many": (
        lambda: kind(rules=(Rules(),)),
        "Kind('Thing', rules=...): expected a Rules, got a tuple; leave out the comma after it",
    ),
    "a Spec as model": (
        lambda: version(model=ThingSpec),
        (
            "Version('v1', model=...): expected a subclass of Resource, as the whole object, got "
            "the class ThingSpec; write `class MyKind(Resource):` with `spec: ThingSpec` in it"
        ),
    ),
    "an object as model": (
        lambda: version(model="Thing"),
        "Version('v1', model=...): expected a subclass of Resource, got 'Thing'",
    ),
    "a number for a flag": (
        lambda: version(storage=1),
        "Version('v1', storage=...): expected True or False, got 1",
    ),
    "deprecated=False": (
        lambda: version(deprecated=False),
        "Version('v1', deprecated=...): expected a string or True or None, got False",
    ),
    "an empty warning": (
        lambda: version(deprecated=""),
        (
            "Version('v1'): expected a warning in deprecated=..., got an empty string; write True "
            "for the API server's default"
        ),
    ),
    "no conversion at all": (
        lambda: version(conversion=3),
        "Version('v1', conversion=...): expected a ConversionProtocol or None, got 3",
    ),
    "a version that is no label": (
        lambda: version("v1.2", storage=True),
        (
            "Version('v1.2'): expected 1 to 63 characters of a-z, 0-9 and -, starting with a "
            "letter and not ending in -, got 'v1.2'"
        ),
    ),
    "another scope": (
        lambda: kind(scope="namespaced"),
        "Kind('Thing', scope=...): expected one of 'Namespaced', 'Cluster', got 'namespaced'",
    ),
    "labels of numbers": (
        lambda: kind(labels={"tier": 1}),
        "Kind('Thing', labels=...): expected a string at 'tier', got 1",
    ),
    "annotations as a list": (
        lambda: kind(annotations=[("a", "b")]),
        "Kind('Thing', annotations=...): expected a dict, got a list",
    ),
    "no function as a rule": (
        lambda: Rules(default="noted"),  # type: ignore[arg-type]
        "Rules(default=...): expected a function or None, got 'noted'",
    ),
    "a column's type": (
        lambda: Column("Size", ".spec.a", type="int"),  # type: ignore[arg-type]
        (
            "Column('Size', type=...): expected one of 'integer', 'number', 'string', 'boolean', "
            "'date', got 'int'"
        ),
    ),
    "a column's priority": (
        lambda: Column("Size", ".spec.a", priority=True),
        "Column('Size', priority=...): expected an integer, got True",
    ),
    "a scale's path": (
        lambda: Scale(".spec.a", None),  # type: ignore[arg-type]
        "Scale(status=...): expected a string, got None",
    ),
    "a rule that is no text": (
        lambda: Cel(lambda self: self),  # type: ignore[arg-type]
        "Cel(rule=...): expected a string, got a function",
    ),
    "a policy that is no text": (
        lambda: Policy(1),  # type: ignore[arg-type]
        "Policy(expression=...): expected a string, got 1",
    ),
    "a limit that is text": (
        lambda: MaxBytes("5"),  # type: ignore[arg-type]
        "MaxBytes(limit=...): expected an integer, got '5'",
    ),
    "no storage version": (
        lambda: kind("Thing", "things", version(storage=False)),
        "Thing: expected one storage version, got none; give one Version storage=True",
    ),
    "two storage versions": (
        lambda: kind(
            "Thing", "things", version("v1beta1", storage=True, conversion=STEP), version()
        ),
        "Thing: expected one storage version, got ['v1beta1', 'v1']; give one Version storage=True",
    ),
    "no versions": (
        lambda: Kind("Thing", "things", ()),
        "Thing: expected one storage version, got none; give one Version storage=True",
    ),
    "a version twice": (
        lambda: kind("Thing", "things", version(storage=False, conversion=STEP), version()),
        "Thing: expected each version once, got v1 2 times",
    ),
    "the newest first": (
        lambda: kind("Thing", "things", version(conversion=STEP), version("v1beta1")),
        (
            "Thing: expected versions from oldest to newest, got v1 before v1beta1; "
            "list v1beta1 first (Kubernetes' order: v1alpha1, v1beta1, v1, v2)"
        ),
    ),
    "a conversion of the newest": (
        lambda: kind("Thing", "things", version(conversion=STEP)),
        (
            "Thing v1: expected no conversion of the newest version, got one; each older version "
            "converts to the next newer one"
        ),
    ),
    "a kind with a dash in front": (
        lambda: kind("-Thing"),
        "-Thing: name: expected a name in CamelCase such as AgentRun, got '-Thing'",
    ),
    "a list's kind that is the kind": (
        lambda: kind(list_name="Thing"),
        "Thing: list_name: expected a name other than the kind's own, got 'Thing'",
    ),
    "a plural in capitals": (
        lambda: kind(plural="Things"),
        (
            "Thing: plural: expected 1 to 63 characters of a-z, 0-9 and -, starting with a letter "
            "and not ending in -, got 'Things'"
        ),
    ),
    "a short name with a dot": (
        lambda: kind(short_names=["th", "t.h"]),
        (
            "Thing: short_names: expected 1 to 63 characters of a-z, 0-9 and -, starting with a "
            "letter and not ending in -, got 't.h'"
        ),
    ),
    "a group without a dot": (
        lambda: api(kind(), group="example"),
        (
            "Api('example'): group: expected a lowercase DNS name with at least one dot, such as "
            "example.com, got 'example'"
        ),
    ),
    "no group": (
        lambda: api(kind(), group=None),
        "Api(group=...): expected a string, got None",
    ),
    "no kinds": (
        api,
        "Api('example.com'): kinds: expected at least one Kind, got none",
    ),
    "two kinds with one plural": (
        lambda: api(kind(), kind("Other", "things")),
        (
            "Api('example.com'): expected each resource name to be unique, got 'things' "
            "of Thing "
            "(things) and of Other (things)"
        ),
    ),
    "two kinds of one name": (
        lambda: api(kind(), kind("Thing", "others", singular="other")),
        (
            "Api('example.com'): expected each kind name to be unique, got 'Thing' of Thing "
            "(things) and of Thing (others)\n"
            "Api('example.com'): expected each kind name to be unique, got 'ThingList' "
            "of Thing "
            "(things) and of Thing (others)"
        ),
    ),
    "a short name that is another's plural": (
        lambda: api(kind(), kind("Other", "others", short_names=("things",))),
        (
            "Api('example.com'): expected each resource name to be unique, got 'things' "
            "of Thing "
            "(things) and of Other (others)"
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_declaration_is_refused_with_what_to_write(fault: str) -> None:
    declare, message = FAULTS[fault]

    with pytest.raises(field_types.DeclarationError) as raised:
        declare()

    assert message == str(raised.value)


def test_every_field_of_a_declaration_is_checked() -> None:
    """Each field refuses an object of an unrelated type."""
    odd = type("Odd", (), {})()
    good: list[Any] = [
        *(kind(), version(), Rules(), Column("Size", ".spec.a"), Policy("true"), Cel("true")),
        *(api(kind()), Scale(".spec.a", ".status.a")),
    ]

    taken = [
        f"{type(one).__name__}.{field.name}"
        for one in good
        for field in dataclasses.fields(one)
        if _is_taken(one, field.name, odd)
    ]

    assert [] == taken


def _is_taken(declared: Any, field: str, value: object) -> bool:
    try:
        dataclasses.replace(declared, **{field: value})
    except field_types.DeclarationError as error:
        return f"{field}=..." not in str(error)
    return True


def test_lists_become_tuples() -> None:
    made = Api("example.com", [Kind("Thing", "things", [version()])])  # type: ignore[arg-type]

    assert isinstance(made.kinds, tuple)
    assert isinstance(made.kinds[0].versions, tuple)


@pytest.mark.parametrize(
    "names",
    [
        ("v1alpha1", "v1beta1", "v1", "v2alpha1", "v2beta1", "v2beta2", "v2", "v11"),
        # A development version of v2 follows v1, but has a lower priority in Kubernetes: both are
        # allowed.
        ("v2alpha1", "v1"),
        # Versions of another form have no known age.
        ("stable", "v1alpha1", "edge", "v1"),
    ],
)
def test_versions_from_oldest_to_newest_are_accepted(names: tuple[str, ...]) -> None:
    *older, newest = names

    made = kind(
        "Thing",
        "things",
        *(version(name, storage=False, conversion=STEP) for name in older),
        version(newest, storage=True),
    )

    assert [*names] == [one.name for one in made.versions]
