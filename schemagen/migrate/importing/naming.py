"""Which types of a module have a name, and which. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from schemagen.migrate.importing import names, types
from schemagen.migrate.importing.python import expressions, imports, layout
from schemagen.migrate.importing.python.expressions import Expression, Reference

# An annotation up to this length stands where it is used, however often.
_SHORT: Final = 50
_BODY: Final = len("    ")


class Named:
    """Names of types, unique in each module.

    Args:
        collected: The types.
        scopes: Keys of the types of each module; those of the first are known in all.
        versions_apart: Whether versions have modules of their own.
    """

    def __init__(
        self, collected: types.Types, scopes: Sequence[frozenset[str]], *, versions_apart: bool
    ) -> None:
        self._types = collected
        self._names: dict[str, str] = {}
        self._apart = versions_apart
        self._reserved = {"api"}.union(*imports.SOURCES.values())
        for scope in scopes:
            self._name(collected.classes, scope, scopes[0])
        self._named_aliases: frozenset[str] = frozenset()
        self._named_aliases = frozenset(self._worth_a_name())
        for scope in scopes:
            self._name(
                {
                    key: collected.aliases[key]
                    for key in collected.aliases
                    if key in self._named_aliases
                },
                scope,
                scopes[0],
            )
            self._name(collected.constants, scope, scopes[0])

    def has(self, key: str) -> bool:
        """Return whether a type has a name."""
        return key in self._names

    def of(self, key: str) -> str:
        """Return the name of a type."""
        return self._names[key]

    def resolved(self, expression: Expression) -> Expression:
        """Return an expression with the annotations that have no name written out."""
        match expression:
            case Reference(key) if key in self._types.aliases and key not in self._named_aliases:
                return self.resolved(self._types.annotation(key))
            case _:
                return expressions.mapped(expression, self.resolved)

    def flat(self, expression: Expression) -> str:
        """Return an expression on one line."""
        return expressions.flat(self.resolved(expression), self.of)

    def _name(
        self, used: dict[str, types.Used], scope: frozenset[str], shared: frozenset[str]
    ) -> None:
        """Name the types of a scope; names of the shared scope are taken in all."""
        own = {key: use for key, use in used.items() if key in scope}
        taken = {self._names[key] for key in (*scope, *shared) if key in self._names}
        chosen = names.class_names(own.items(), self._reserved | taken, versions_apart=self._apart)
        for key, name in chosen.items():
            is_constant = key in self._types.constants
            self._names[key] = names.constant_name(name) if is_constant else name

    def _worth_a_name(self) -> Iterator[str]:
        """Yield annotations that are long and used more than once, or too long for their field."""
        for key, used in self._types.aliases.items():
            if len(used.places) > 1 and len(self.flat(Reference(key))) > _SHORT:
                yield key
        for use in self._types.classes.values():
            yield from self._too_long(use)

    def _too_long(self, use: types.Used) -> Iterator[str]:
        class_ = use.type
        if not isinstance(class_, types.Class):
            return
        for field in class_.fields:
            head = f"{field.wire_name}__: {self.flat(field.annotation)} | None = Field("
            if _BODY + len(head) > layout.WIDTH:
                yield from (
                    key
                    for key in expressions.references(field.annotation)
                    if key in self._types.aliases
                )
