"""Options of several commands: CRDs without models, and their conversions. Imports only typer."""

from typing import Annotated, Final, TypeAlias

import typer

CRDS_HELP: Final = "File or directory of CRDs without models; may be repeated."
CONVERSIONS_HELP: Final = "File or directory of conversions declared for --crds; may be repeated."

Crds: TypeAlias = Annotated[list[str] | None, typer.Option(metavar="PATH", help=CRDS_HELP)]
Conversions: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="PATH", help=CONVERSIONS_HELP)
]
