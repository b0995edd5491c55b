"""All lint rules, by theme."""

from typing import Final

from schemagen.compat.lint.rules import (
    cel_rules,
    conventions,
    defaults,
    lists,
    paths,
    sizes,
    structure,
    values,
)

RULES: Final = (
    *sizes.RULES,
    *structure.RULES,
    *cel_rules.RULES,
    *defaults.RULES,
    *values.RULES,
    *paths.RULES,
    *lists.RULES,
    *conventions.RULES,
)
