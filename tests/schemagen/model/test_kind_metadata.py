"""What a class says about its kind and version, as arguments."""

import pytest

from schemagen import Column, JSONObject, Kind, Resource, Scale, Version
from schemagen.model.field_types import DeclarationError

READY = Column("Ready", ".status.ready")
AGE = Column("Age", ".metadata.creationTimestamp", type="date")


class Widget(
    Resource,
    plural="widgets",
    short_names=("wdg",),
    categories=("all",),
    scope="Cluster",
    columns=[READY],
    selectable=(".spec.color",),
    scale=Scale(".spec.replicas", ".status.replicas"),
):
    spec: JSONObject


def test_kind_has_the_names_of_its_newest_class() -> None:
    kind = Kind.of(Widget, (Version("v1", Widget, storage=True),), annotations={"a": "b"})

    assert ("Widget", "widgets", ("wdg",), ("all",), "Cluster", {"a": "b"}) == (
        kind.name,
        kind.plural,
        kind.short_names,
        kind.categories,
        kind.scope,
        kind.annotations,
    )


def test_version_has_what_its_class_says_unless_it_is_given() -> None:
    plain, given = Version("v1", Widget), Version("v1", Widget, columns=(AGE,))

    assert (READY,) == plain.columns
    assert (".spec.color",) == plain.selectable
    assert Scale(".spec.replicas", ".status.replicas") == plain.scale
    assert (AGE,) == given.columns


def test_subclass_inherits_what_it_does_not_say() -> None:
    class Newer(Widget, columns=(AGE,)):
        pass

    assert ("widgets", (AGE,)) == (Newer.kind_metadata.plural, Newer.kind_metadata.columns)
    assert (READY,) == Widget.kind_metadata.columns


def test_class_without_a_plural_is_refused_as_a_kind() -> None:
    class Bare(Resource):
        spec: JSONObject

    with pytest.raises(DeclarationError, match="Bare: plural: expected"):
        Kind.of(Bare, (Version("v1", Bare, storage=True),))


def test_argument_of_another_type_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"short_names=.*expected a tuple of strings"):

        class Odd(Resource, plural="odds", short_names="odd"):
            spec: JSONObject
