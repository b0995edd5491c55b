"""``agentctl certs``: status, rotate, verify."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

app = typer.Typer(
    help="Look at the certificates of the webhook server, and replace their authority.",
    no_args_is_help=True,
)

Kubeconfig: TypeAlias = Annotated[
    pathlib.Path | None, typer.Option(help="Which cluster; as kubectl's if absent.")
]
Secret: TypeAlias = Annotated[
    str,
    typer.Option(metavar="NAMESPACE/NAME", help="The Secret that `webhooks serve` shares."),
]
Reference: TypeAlias = Annotated[
    str,
    typer.Option("--api", metavar="MODULE:API", help="The Api whose webhooks are served."),
]
DEFAULT_API = "crds:api"
Output: TypeAlias = Annotated[
    Literal["table", "json"], typer.Option("--output", "-o", help="How to show it.")
]
DEFAULT_SECRET = "agents/webhooks"  # noqa: S105 - its name


@app.command()
def status(
    kubeconfig: Kubeconfig = None,
    secret: Secret = DEFAULT_SECRET,
    api: Reference = DEFAULT_API,
    output: Output = "table",
) -> None:
    """Show which authorities there are, which replica serves whose leaf, and who believes whom.

    Exit codes: 0 all is well, 1 something is wrong and said, 2 it could not be read.
    """
    from controllers.agentctl import certs
    from schemagen import files as apis

    raise typer.Exit(certs.status(kubeconfig, secret, apis.load_api(api), output))


@app.command()
def rotate(
    kubeconfig: Kubeconfig = None,
    secret: Secret = DEFAULT_SECRET,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow it to its end, step by step.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for, the hold time included.")
    ] = 600.0,
) -> None:
    """Replace the authority, and with it all leaves, without a failed call.

    The new one is published beside the old one, held for the servers' --cert-hold, signs, and the
    old one goes when no replica serves what it signed.

    Exit codes: 0 done (with --no-wait: asked for), 1 not done in time, 2 it could not be asked for.
    """
    from controllers.agentctl import certs

    raise typer.Exit(certs.rotate(kubeconfig, secret, timeout if wait else None))


@app.command()
def verify(
    kubeconfig: Kubeconfig = None,
    secret: Secret = DEFAULT_SECRET,
    api: Reference = DEFAULT_API,
    sample: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            "--sample",
            "-f",
            help="Manifest of objects for the dry run; may be repeated. Samples of our own for "
            "crds:api, an object without a spec of every kind for another Api, if absent.",
        ),
    ] = None,
    output: Output = "table",
) -> None:
    """Check that calls get through: as the configurations say, and by the API server itself.

    Every clientConfig is followed to whoever listens there, believing just its caBundle; a Service
    only where its name is known, as in a pod. Then the API server is asked for a dry run in every
    version, which calls every webhook and stores nothing. Whoever made the certificates: this
    works with a Secret of ours, with cert-manager and with own files.

    Exit codes: 0 all calls get through, 1 one does not, 2 it could not be tried.
    """
    from controllers.agentctl import certs
    from schemagen import files as apis

    raise typer.Exit(certs.verify(kubeconfig, secret, apis.load_api(api), sample or (), output))
