"""Format of a file of conversions: the steps of ``versions.steps`` and ``records`` by name.

A step is its name (``toDuration``), or its name with its arguments (``toDuration: {least: 1}``).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias

import pydantic
from pydantic import Field, alias_generators

from schemagen.problems import JSON

API_VERSION: Final = "kubewright.dev/v1alpha1"
KIND: Final = "Conversion"

Scalar: TypeAlias = str | int | float | bool


class Strict(pydantic.BaseModel):
    """An object without other fields than those declared, and without conversions of types."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
    )


class OneOf(Strict):
    """An object with exactly one of its fields."""

    needs_arguments: ClassVar[frozenset[str]] = frozenset()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _named(cls, value: JSON) -> JSON:
        return {value: None} if isinstance(value, str) else value

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> "OneOf":
        names = [
            field.alias or name
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set
        ]
        if len(names) != 1:
            raise ValueError(f"expected one step, got {', '.join(names) or 'none'}")
        if self.name in self.needs_arguments and getattr(self, self.name) is None:
            raise ValueError(f"expected arguments of {names[0]}, got none")
        return self

    @property
    def name(self) -> str:
        """Return the name of the field that is set."""
        return next(iter(self.model_fields_set))

    @property
    def arguments(self) -> Any:
        """Return its value."""
        return getattr(self, self.name)


class Bounds(Strict):
    """Bounds of the newer version's integer."""

    least: int = -(2**31)
    most: int = 2**31 - 1


class Duration(Strict):
    """Arguments of ``toDuration``."""

    least: int = Field(0, description="Minimum in seconds.")
    most: int = Field(2**31 - 1, description="Maximum in seconds.")
    spelled: str = Field("", description="The newer version's default as its author wrote it.")


class Keyed(Strict):
    """A list whose items are known by a field."""

    key: str = Field(description="Field that identifies an item.")
    step: "ValueStep | None" = Field(None, description="Step of the items.")


class Pairs(Strict):
    """Arguments of ``mapToList``."""

    key: str = Field(description="Field for the map's keys.")
    value: str = Field(description="Field for the map's values.")


class Pair(Strict):
    """A value in both versions."""

    old: Scalar = Field(description="In the older version.")
    new: Scalar = Field(description="In the newer version.")


class ValueStep(OneOf):
    """A step of a value: its name, or its name with arguments."""

    needs_arguments = frozenset(
        {
            "enumeration",
            "respelled",
            "scaled",
            "each_by",
            "each_by_last",
            "map_to_list",
            "wrap",
            "mapped",
            "joined",
            "list_to_map",
            "inverse",
            "numeric",
            "exact",
            "one_way",
            "record",
        }
    )

    keep: None = Field(None, description="The same in both versions.")
    text: None = Field(None, description="Keep a string.")
    text_or_integer: None = Field(None, description="A string <-> a string or an integer.")
    text_to_integer: None = Field(None, description="A string of digits <-> an integer.")
    text_to_boolean: None = Field(None, description='"true" and "false" <-> a boolean.')
    integer: Bounds | None = Field(None, description="Keep an integer within bounds.")
    enumeration: dict[str, str] | None = Field(
        None, description="Values of an enum: the older version's to the newer's."
    )
    respelled: dict[str, str] | None = Field(
        None, description="Strings that are spelled differently; others are the same."
    )
    mapped: list[Pair] | None = Field(
        None, min_length=1, description="Values of any scalar type, such as true and Enabled."
    )
    to_duration: Duration | None = Field(
        None, description="Seconds <-> a duration: 5400 <-> 1h30m."
    )
    scaled: int | str | None = Field(
        None, description="An integer in another unit: newer = factor * older; 86400, or 1/60."
    )
    each: "ValueStep | None" = Field(None, description="A list, item by item.")
    each_by: Keyed | None = Field(
        None, description="A list <-> one whose items have a key; the first of each is kept."
    )
    each_by_last: Keyed | None = Field(None, description="The same, with the last of each.")
    each_once: "ValueStep | None" = Field(None, description="A list <-> a set of strings.")
    single: "ValueStep | None" = Field(None, description="A value <-> a list of one.")
    values: "ValueStep | None" = Field(None, description="A map, value by value.")
    map_to_list: Pairs | None = Field(
        None, description="A map of strings <-> a list of objects with key and value."
    )
    list_to_map: Keyed | None = Field(
        None, description="A list of objects <-> a map of them by one of their fields."
    )
    wrap: str | None = Field(
        None, description="A list of strings <-> a list of objects with this field."
    )
    joined: str | None = Field(
        None, min_length=1, description="A list of strings <-> one string with this separator."
    )
    record: "list[Part] | None" = Field(
        None, description="An object, by steps with paths within it."
    )
    inverse: "ValueStep | None" = Field(
        None, description="A step in the other direction: from the newer version to the older."
    )
    numeric: "ValueStep | None" = Field(
        None, description="A step of a number that also accepts it as a string."
    )
    exact: "ValueStep | None" = Field(
        None, description="A step, for values of the older version that survive a round trip."
    )
    one_way: "ValueStep | None" = Field(
        None, description="A second name in the older version, which is read and never written."
    )


class Move(Strict):
    """A field that has another name, place or form in the other version."""

    from_: str = Field(alias="from", description="Path in the older version.")
    to: str = Field(description="Path in the newer version.")
    step: ValueStep | None = Field(None, description="Step of the value.")


class SameName(Strict):
    """A field with the same path in both versions."""

    path: str
    step: ValueStep


class Paths(Strict):
    """Fields of either version."""

    old: list[str] = Field([], description="Paths in the older version.")
    new: list[str] = Field([], description="Paths in the newer version.")


class Constant(Strict):
    """A field with one value."""

    path: str
    value: Scalar


class Default(Strict):
    """A field with a default."""

    path: str
    default: Scalar


class Sentinel(Strict):
    """A field with one special value, such as 0 seconds for «forever»."""

    from_: str = Field(alias="from", description="Path in the older version.")
    to: str = Field(description="Path of all other values in the newer version.")
    step: ValueStep | None = Field(None, description="Step of all other values.")
    old: Scalar = Field(description="The special value.")
    place: str = Field(description="Path of its counterpart in the newer version.")
    new: Scalar = Field(description="The value there.")


class OpenWords(Strict):
    """A string of the older version that is an enum with a detail field in the newer one."""

    path: str
    words: list[str] = Field(min_length=1, description="Values that the newer version knows.")
    other: str = Field(description="The newer version's value for all others.")
    detail: str = Field(description="Name of the newer version's field for the string itself.")


class Arm(Strict):
    """A case of a union."""

    to: str = Field(description="Name of the newer version's field for it.")
    steps: "list[Part]" = Field([], description="Steps between the union and this object.")


class FlatUnion(Strict):
    """An object whose fields depend on a tag <-> one object for each case."""

    path: str = Field("", description="Path of the object; empty for the whole.")
    tag: str = Field(description="Field of the older version that says which case it is.")
    arms: dict[str, Arm] = Field(min_length=1, description="Cases by the tag's values.")


class Piece(Strict):
    """A part of a string."""

    path: str
    step: ValueStep | None = None


class Split(Strict):
    """A string of the older version <-> several fields of the newer one."""

    from_: str = Field(alias="from", description="Path of the string.")
    to: list[str | Piece] = Field(min_length=2, description="Paths of its parts.")
    separator: str = Field(min_length=1)
    last: bool = Field(default=False, description="Cut at the last separators, not the first.")


class Join(Strict):
    """Several fields of the older version <-> a string of the newer one."""

    from_: list[str | Piece] = Field(alias="from", min_length=2, description="Paths of its parts.")
    to: str = Field(description="Path of the string.")
    separator: str = Field(min_length=1)
    last: bool = Field(default=False, description="Cut at the last separators, not the first.")


class Part(OneOf):
    """A step of an object: what it is called, with its arguments."""

    needs_arguments = frozenset(
        {
            "move",
            "keep",
            "same_name",
            "forget",
            "unrelated",
            "constant",
            "implied",
            "written_out",
            "sentinel",
            "open_words",
            "first_of",
            "flat_union",
            "split",
            "join",
        }
    )

    move: Move | None = None
    keep: list[str] | None = Field(None, description="Fields that are the same in both versions.")
    same_name: SameName | None = None
    forget: Paths | None = Field(
        None, description="Fields whose values must not remain in an annotation."
    )
    unrelated: Paths | None = Field(
        None, description="Fields of the same path that mean different things."
    )
    constant: Constant | None = Field(
        None, description="A field of the older version with a single possible value."
    )
    implied: Constant | None = Field(
        None, description="A field of the newer version with the value that its absence implied."
    )
    written_out: Default | None = Field(
        None, description="A default that the older version may leave implicit."
    )
    sentinel: Sentinel | None = None
    open_words: OpenWords | None = None
    first_of: list[Move] | None = Field(
        None, min_length=1, description="Fields that form one union in the newer version."
    )
    flat_union: FlatUnion | None = None
    split: Split | None = None
    join: Join | None = None


class VersionPair(Strict):
    """The conversion between two adjacent versions."""

    from_: str = Field(alias="from", description="The older version.")
    to: str = Field(description="The next newer version.")
    hub_rules: Literal["refuse", "warn", "off"] = Field(
        "refuse",
        description="Treatment of writes in the older version that violate the newest "
        "version's schema.",
    )
    unordered: list[str] = Field(
        [], description="Paths of the newer version's keyed lists that are maps in the older one."
    )
    steps: list[Part] = []


class Metadata(Strict):
    """The name of the CRD, in the metadata of a file."""

    name: str = Field(description="Name of the CRD: PLURAL.GROUP.")


class Spec(Strict):
    """The conversions of a CRD."""

    conversions: list[VersionPair] = Field(min_length=1)


class ConversionFile(Strict):
    """Conversions between the versions of a CRD."""

    api_version: Literal["kubewright.dev/v1alpha1"]
    kind: Literal["Conversion"]
    metadata: Metadata
    spec: Spec


for _model in (Keyed, ValueStep, Move, SameName, Sentinel, Arm, Part):
    _model.model_rebuild()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file, for editors."""
    found = ConversionFile.model_json_schema(by_alias=True)
    for model in (ValueStep, Part):
        definition = found["$defs"][model.__name__]
        definition |= {"minProperties": 1, "maxProperties": 1}
    steps = found["$defs"]["ValueStep"]
    names = sorted(
        field.alias or name
        for name, field in ValueStep.model_fields.items()
        if name not in ValueStep.needs_arguments
    )
    found["$defs"]["ValueStep"] = {"anyOf": [{"enum": names}, steps]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def names_of(model: type[pydantic.BaseModel]) -> Mapping[str, str]:
    """Return the names of a model's fields as a file says them."""
    return {field.alias or name: name for name, field in model.model_fields.items()}
