"""Arguments and options that several commands have."""

import pathlib
from typing import Annotated, TypeAlias

import typer

from schemagen import Api, files
from schemagen.problems import UserError
from schemagen.versions.verification import cached as conversions

ApiReference: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:API", help="Python module and name of the Api, such as crds:api."
    ),
]
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


def load(reference: str) -> Api:
    """Load the Api and check that its conversions fit its models.

    Raises:
        UserError: if a kind is converted by something else.
    """
    api = files.load_api(reference)
    for kind in api:
        if kind.external_conversion is not None and len(kind.versions) > 1:
            raise UserError(
                f"{kind.name}: expected conversions to serve, got external_conversion; give each "
                "Version but the newest its conversion instead"
            )
    conversions.check(api)
    return api
