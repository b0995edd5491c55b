"""``agentctl certs``: status, rotate, verify."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

app = typer.Typer(
    help="Inspect the webhook server's certificates and rotate its CA.",
    no_args_is_help=True,
)

Kubeconfig: TypeAlias = Annotated[
    pathlib.Path | None, typer.Option(help="Kubeconfig file. \\[default: as kubectl]")
]
Secret: TypeAlias = Annotated[
    str,
    typer.Option(metavar="NAMESPACE/NAME", help="Secret that the `webhooks serve` replicas share."),
]
Reference: TypeAlias = Annotated[
    str,
    typer.Option("--api", metavar="MODULE:API", help="The Api whose webhooks are served."),
]
DEFAULT_API = "crds:api"
Output: TypeAlias = Annotated[
    Literal["table", "json"], typer.Option("--output", "-o", help="Output format.")
]
DEFAULT_SECRET = "agents/webhooks"  # noqa: S105 - the Secret's name


@app.command()
def status(
    kubeconfig: Kubeconfig = None,
    secret: Secret = DEFAULT_SECRET,
    api: Reference = DEFAULT_API,
    output: Output = "table",
) -> None:
    """Show the CAs, which CA signed each replica's certificate, and which CAs clients trust.

    Exit codes: 0 healthy; 1 problems found; 2 the status could not be read.
    """
    from controllers.agentctl.certs import certificates
    from schemagen import files as apis

    raise typer.Exit(certificates.status(kubeconfig, secret, apis.load_api(api), output))


@app.command()
def rotate(
    kubeconfig: Kubeconfig = None,
    secret: Secret = DEFAULT_SECRET,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait", help="Wait until the rotation completes, printing each step."
        ),
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait, including the hold time.")
    ] = 600.0,
) -> None:
    """Rotate the CA, and with it all serving certificates, without failing a call.

    The new CA is published beside the old one, held for the servers' --cert-hold, then signs; the
    old CA is removed once no replica serves a certificate that it signed.

    Exit codes: 0 rotated (with --no-wait: requested); 1 not finished in time; 2 the request failed.
    """
    from controllers.agentctl.certs import certificates

    raise typer.Exit(certificates.rotate(kubeconfig, secret, timeout if wait else None))


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
            help="Manifest of objects for the dry run; may be repeated. By default, bundled "
            "samples for crds:api, and an object without a spec of each kind for any other Api.",
        ),
    ] = None,
    output: Output = "table",
) -> None:
    """Check that webhook calls succeed, directly and through the API server.

    Each clientConfig's endpoint is called, trusting only its caBundle; a Service only where its
    name resolves, as in a pod. Then a server-side dry run in each version makes the API server call
    each webhook and stores nothing. Works with any source of certificates: the shared Secret,
    cert-manager or files.

    Exit codes: 0 all calls succeed; 1 a call fails; 2 the check could not run.
    """
    from controllers.agentctl.certs import certificates
    from schemagen import files as apis

    raise typer.Exit(
        certificates.verify(kubeconfig, secret, apis.load_api(api), sample or (), output)
    )
