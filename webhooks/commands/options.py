"""Arguments and options that several commands have."""

import pathlib
from collections.abc import Sequence
from typing import Annotated, TypeAlias

import typer

from schemagen import Api
from schemagen.problems import UserError
from schemagen.versions.declared import loading
from schemagen.versions.verification import cached as conversions

_REFERENCE = typer.Argument(
    metavar="MODULE:API", help="Python module and name of the Api, such as crds:api."
)
ApiReference: TypeAlias = Annotated[str, _REFERENCE]
OptionalApi: TypeAlias = Annotated[str | None, _REFERENCE]
"""None where CRDs with declared conversions are given instead."""
SettingsFile: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Option(help="YAML file with settings for the Api's rules, such as the admission policy."),
]
Kubeconfig: TypeAlias = Annotated[
    pathlib.Path | None, typer.Option(help="Kubeconfig of the cluster. \\[default: as kubectl]")
]
Storage: TypeAlias = Annotated[str | None, typer.Option(help="Storage version, such as v1alpha1.")]
Url: TypeAlias = Annotated[
    str | None, typer.Option(help="URL of a webhook server outside the cluster.")
]


def load(
    reference: str | None, crds: Sequence[str] | None = None, declared: Sequence[str] | None = None
) -> Api:
    """Load the Api and check that its conversions fit its schemas.

    Args:
        reference: Module and name; None for CRDs with declared conversions.
        crds: Files and directories of CRDs.
        declared: Files and directories of conversions.

    Raises:
        UserError: if a kind is converted by something else.
    """
    api = loading.api_of(reference, crds or (), declared or ())
    for kind in api:
        if kind.external_conversion is not None and len(kind.versions) > 1:
            raise UserError(
                f"{kind.name}: expected conversions to serve, got external_conversion; give each "
                "Version but the newest its conversion instead"
            )
    conversions.check(api)
    return api
