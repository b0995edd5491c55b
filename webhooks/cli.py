"""``webhooks``: serve an Api's webhooks, or answer one review without a server."""

import asyncio
import contextlib
import datetime as dt
import pathlib
import signal
import ssl
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import structlog
import typer
import uvloop

from certs import authority
from certs import files as certificates
from controllers import kube
from schemagen import Api, Facts
from schemagen import files as apis
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from webhooks import admission, conversion, install, related, reviews, routes, server

app = typer.Typer(
    help="Admission and conversion webhooks for any schemagen Api.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

ApiReference = Annotated[
    str, typer.Argument(metavar="MODULE:API", help="Where the Api is, such as crds:api.")
]

SettingsFile = Annotated[
    pathlib.Path | None,
    typer.Option(help="YAML for the Api's rules, such as the policy of its operator."),
]

# JSON of up to 1,024 levels (orjson's bound) is walked and written with two calls a level.
RECURSION_LIMIT = 4096


@app.callback()
def _main() -> None:
    """Admission and conversion webhooks for any schemagen Api."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


@app.command()
def review(
    reference: ApiReference,
    file: Annotated[
        pathlib.Path, typer.Argument(help="A review's JSON; - is standard input.", allow_dash=True)
    ],
    stage: Annotated[
        Literal["all", "mutate", "validate"],
        typer.Option(help="Which webhook answers an AdmissionReview; all: as the API server asks."),
    ] = "all",
    settings: SettingsFile = None,
) -> None:
    """Answer an AdmissionReview or ConversionReview on standard output, without a server.

    Exit codes: 0 allowed or converted, 1 refused or failed, 2 not a review.
    """
    api, facts = _load(reference), _facts(settings)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        answer = _answer(api, body, stage, facts)
    except OSError as error:
        raise _failure(f"expected to read {file}: {error.strerror}") from error
    except reviews.MalformedReviewError as error:
        raise _failure(f"{error}, in {file}") from error
    typer.echo(reviews.encode(answer))
    response = answer["response"]
    status = response.get("result", {}).get("status")
    raise typer.Exit(0 if response.get("allowed") or status == "Success" else 1)


def _answer(
    api: Api, body: bytes, stage: Literal["all", "mutate", "validate"], facts: Facts
) -> JSON:
    value = reviews.decode(body)
    try:
        if type(value) is dict and value.get("kind") == "ConversionReview":
            return conversion.convert(Converter(api), reviews.conversion_request(body))
        answers = {
            "all": admission.review,
            "mutate": admission.mutate,
            "validate": admission.validate,
        }
        return answers[stage](api, reviews.admission_request(value), facts)
    except reviews.UnusableReviewError as error:
        return reviews.failed(error.envelope, error.message)


@app.command()
def serve(
    reference: ApiReference,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 9443,
    cert_dir: Annotated[
        pathlib.Path,
        typer.Option(
            help="Folder of ca.crt, tls.crt and tls.key; an own authority and leaf are made "
            "there if it is empty."
        ),
    ] = pathlib.Path("certificates"),
    name: Annotated[
        list[str] | None,
        typer.Option(help="DNS name or address in the certificate; may be repeated."),
    ] = None,
    register: Annotated[
        bool,
        typer.Option(
            "--install", help="Also install the CRDs and webhook configurations in the cluster."
        ),
    ] = False,
    storage: Annotated[
        str | None, typer.Option(help="Storage version for --install, such as v1alpha1.")
    ] = None,
    kubeconfig: Annotated[
        pathlib.Path | None,
        typer.Option(help="Cluster for --install and --look-up; as kubectl's if absent."),
    ] = None,
    look_up: Annotated[
        bool | None,
        typer.Option(
            "--look-up/--no-look-up",
            help="Read from the cluster what rules want to know of other objects, such as the "
            "policy of a run's agent. On with --install or --kubeconfig.",
        ),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Serve /mutate, /validate and /convert over TLS until SIGTERM or SIGINT."""
    _log_to_stderr()
    api, facts = _load(reference), _facts(settings)
    names = name or ["127.0.0.1", "localhost"]
    try:
        if storage is not None:
            api = api.stored_as(storage)
        bundle = certificates.load_or_create(cert_dir, names, dt.datetime.now(dt.UTC))
        tls = certificates.server_context(bundle.server)
        uvloop.run(
            _serve(
                api,
                host=host,
                port=port,
                tls=tls,
                names=names,
                install_ca_pem=bundle.ca_pem if register else None,
                kubeconfig=kubeconfig,
                is_looking_up=register or kubeconfig is not None if look_up is None else look_up,
                facts=facts,
            )
        )
    except (authority.CertificateError, kube.KubeError, TimeoutError, OSError, ValueError) as error:
        raise _failure(str(error)) from error


async def _serve(
    api: Api,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext,
    names: Sequence[str],
    install_ca_pem: bytes | None,
    kubeconfig: pathlib.Path | None,
    is_looking_up: bool,
    facts: Facts,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        client = None
        if install_ca_pem is not None or is_looking_up:
            client = await stack.enter_async_context(_client(kubeconfig))
        read = related.Related(client, api).read if client is not None and is_looking_up else None
        listener = server.listening(host, port)
        paths = routes.routes(api, facts, read)
        await stack.enter_async_context(server.serving(paths, listener=listener, tls=tls))
        base_url = f"https://{names[0]}:{listener.getsockname()[1]}"
        if install_ca_pem is not None and client is not None:
            await install.install(client, api, base_url=base_url, ca_pem=install_ca_pem)
        # One line on standard output once everything is ready: what a supervisor waits for.
        typer.echo(f"serving {api.group} at {base_url}")
        sys.stdout.flush()
        await stopped.wait()


def _client(kubeconfig: pathlib.Path | None) -> kube.Client:
    if kubeconfig is None:
        return kube.Client.from_environment()
    return kube.Client.from_kubeconfig(kubeconfig)


def _load(reference: str) -> Api:
    try:
        return apis.load_api(reference)
    except apis.ApiNotFoundError as error:
        raise _failure(str(error)) from error


def _facts(path: pathlib.Path | None) -> Facts:
    """What reviews know of the operator's wishes."""
    if path is None:
        return admission.NO_FACTS
    try:
        documents = apis.from_yaml(path.read_text())
    except (OSError, UnicodeDecodeError, apis.YAMLError) as error:
        raise _failure(f"expected settings in YAML at {path}: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise _failure(f"expected one mapping in {path}, got {len(documents)} documents")
    return Facts(settings=documents[0])


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def _failure(message: str) -> typer.Exit:
    typer.echo(f"webhooks: {message}", err=True)
    return typer.Exit(2)


def main() -> None:
    """The console script."""
    app()
