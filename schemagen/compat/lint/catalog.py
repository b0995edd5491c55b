"""All lint rules, by theme."""

from typing import Final

from schemagen.compat.lint import (
    celrules,
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
    *celrules.RULES,
    *defaults.RULES,
    *values.RULES,
    *paths.RULES,
    *lists.RULES,
    *conventions.RULES,
)
