"""Types of a module of models: classes, and what they share. Pure."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TypeAlias

from schemagen.migrate.importing.python.expressions import Expression
from schemagen.problems import JSON

Place: TypeAlias = tuple[str, ...]
"""Where a type is used: the kind, the version, and the steps to it; ``[]`` and ``{}`` for items."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a class.

    Attributes:
        wire_name: Its name in the schema.
        annotation: Its type.
        is_optional: Whether it may be absent and has no default.
        default: The default as an expression; None if it has none.
        documentation: Arguments of ``Field(...)``: description, title, examples.
    """

    wire_name: str
    annotation: Expression
    is_optional: bool = False
    default: Expression | None = None
    documentation: tuple[tuple[str, Expression], ...] = ()


@dataclasses.dataclass(frozen=True)
class Class:
    """A model of an object with declared fields.

    Attributes:
        fields: In the order of the schema.
        rules: CEL rules.
        keywords: Schema keywords that nothing else expresses.
        is_open: Whether unknown fields are kept.
        metadata: Arguments of a ``Resource``.
        base: What it inherits from, if that is no plain model.
    """

    fields: tuple[Field, ...]
    rules: tuple[Expression, ...] = ()
    keywords: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    is_open: bool = False
    metadata: tuple[tuple[str, Expression], ...] = ()
    base: Expression | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Return all expressions of the class."""
        of_fields = [
            part
            for field in self.fields
            for part in (
                field.annotation,
                field.default,
                *(text for _, text in field.documentation),
            )
            if part is not None
        ]
        bases = () if self.base is None else (self.base,)
        return (*bases, *of_fields, *self.rules, *(value for _, value in self.metadata))


@dataclasses.dataclass
class Used:
    """A type and where it is used.

    Attributes:
        type: A class, an annotation with a name, or the value of a constant.
        places: In the order in which they were met.
        texts: Descriptions of its uses.
    """

    type: "Class | Expression"
    places: list[Place] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)

    @property
    def versions(self) -> set[str]:
        """Return the versions that use it."""
        return {place[1] for place in self.places}


class Types:
    """Collector of types: equal ones are one."""

    def __init__(self) -> None:
        self.classes: dict[str, Used] = {}
        self.aliases: dict[str, Used] = {}
        self.constants: dict[str, Used] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of all types that are used."""
        return (*self.constants, *self.aliases, *self.classes)

    def used(self, key: str) -> Used:
        """Return the uses of a type."""
        return next(
            known[key] for known in (self.classes, self.aliases, self.constants) if key in known
        )

    def class_(self, key: str) -> Class:
        """Return a class."""
        class_ = self.classes[key].type
        assert isinstance(class_, Class)  # noqa: S101 - nothing else is added to them
        return class_

    def annotation(self, key: str) -> Expression:
        """Return an annotation or the value of a constant."""
        annotation = self.used(key).type
        assert not isinstance(annotation, Class)  # noqa: S101 - as above
        return annotation

    def expressions(self, key: str) -> tuple[Expression, ...]:
        """Return what a type consists of."""
        return self.class_(key).expressions if key in self.classes else (self.annotation(key),)

    def add_class(self, type_: Class, place: Place, text: str) -> str:
        """Note a use of a class; return its key."""
        return _add(self.classes, "class", type_, place, text)

    def add_alias(self, expression: Expression, place: Place) -> str:
        """Note a use of an annotation; return its key."""
        return _add(self.aliases, "alias", expression, place, "")

    def add_constant(self, value: Expression, place: Place) -> str:
        """Note a use of a value; return its key."""
        return _add(self.constants, "constant", value, place, "")


def _add(
    known: dict[str, Used], kind: str, type_: "Class | Expression", place: Place, text: str
) -> str:
    key = f"{kind} {hashlib.sha256(repr(type_).encode()).hexdigest()}"
    used = known.setdefault(key, Used(type_))
    used.places.append(place)
    if text:
        used.texts.append(text)
    return key
