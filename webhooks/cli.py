"""``webhooks``: serve an Api's webhooks, or answer one review without a server."""

import asyncio
import contextlib
import datetime as dt
import pathlib
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, Literal

import orjson
import structlog
import typer
import uvloop

from certs import authority, keeper
from controllers import kube
from schemagen import Api, Facts, commandline, conversions, yaml
from schemagen import files as apis
from schemagen.problems import JSON, UserError
from schemagen.versions import unsatisfiable
from schemagen.versions.converter import Converter
from webhooks import (
    addresses,
    admission,
    configuration,
    conversion,
    joining,
    manifest_review,
    process,
    related,
    reviews,
    routes,
    server,
    supervisor,
    worker,
)

# Where --workers says nothing, and what one may say: a worker takes some 100 MB.
DEFAULT_WORKERS = 4
MAX_WORKERS = 64
MAX_SECONDS = 86_400.0
MAX_DAYS = 36_500.0

# What keeps a server from starting and is not its own fault.
FAILURES = (
    *(authority.CertificateError, kube.KubeError, TimeoutError, OSError, ValueError),
    *(supervisor.StartError, routes.UnreadableError),
)

app = typer.Typer(
    name="webhooks",
    cls=commandline.Group,
    help="Admission and conversion webhooks for any schemagen Api.",
    epilog=commandline.EPILOG,
    no_args_is_help=True,
)

ApiReference = Annotated[
    str, typer.Argument(metavar="MODULE:API", help="Where the Api is, such as crds:api.")
]

SettingsFile = Annotated[
    pathlib.Path | None,
    typer.Option(help="YAML for the Api's rules, such as the policy of its operator."),
]


@app.callback()
def _main() -> None:
    """Admission and conversion webhooks for any schemagen Api."""
    process.allow_deep_json()


@app.command()
def review(
    reference: ApiReference,
    file: Annotated[
        pathlib.Path | None,
        typer.Argument(help="A review's JSON; - is standard input.", allow_dash=True),
    ] = None,
    stage: Annotated[
        Literal["all", "mutate", "validate"],
        typer.Option(help="Which webhook answers an AdmissionReview; all: as the API server asks."),
    ] = "all",
    manifest: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            "--file",
            "-f",
            help="Manifest to review instead, as if it came to the API server; may be repeated; - "
            "is standard input.",
            allow_dash=True,
        ),
    ] = None,
    old: Annotated[
        pathlib.Path | None,
        typer.Option(help="The objects of --file as they are in the cluster: an update."),
    ] = None,
    operation: Annotated[
        Literal["CREATE", "UPDATE", "DELETE"] | None,
        typer.Option(help="What is done; CREATE, or UPDATE with --old, if absent."),
    ] = None,
    subresource: Annotated[
        Literal["status"] | None, typer.Option(help="What it is written through; needs --old.")
    ] = None,
    user: Annotated[str, typer.Option(help="Who sends it.")] = manifest_review.DEFAULT_USER,
    group: Annotated[
        list[str] | None, typer.Option(help="A group of the user; may be repeated.")
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Of manifests that do not say theirs.")
    ] = "default",
    strict: Annotated[
        bool, typer.Option(help="Refuse unknown and repeated fields, as kubectl does.")
    ] = True,
    settings: SettingsFile = None,
) -> None:
    """Answer an AdmissionReview or ConversionReview, or review a manifest, without a server.

    With --file the reviews are made here: each object is decoded, defaulted, sent to the mutating
    webhook, judged by its schema and sent to the validating webhook, as the API server does. What
    would be stored is written to standard output as YAML; refusals and warnings go to standard
    error, by file and line.

    Exit codes: 0 allowed or converted, 1 refused or failed, 2 not a review, no manifest, or a rule
    of the Api failed.
    """
    api = _load(reference)
    facts = worker.facts_of(settings, api)
    if (file is None) == (not manifest):
        raise UserError("expected a review's JSON, or a manifest with --file, and not both")
    if manifest:
        request = manifest_review.Request(
            operation=operation,
            subresource=subresource or "",
            user=user,
            groups=group or manifest_review.Request.groups,
            namespace=namespace,
            strict=strict,
        )
        raise typer.Exit(_review_manifests(api, facts, request, manifest, old))
    raise typer.Exit(_review(api, facts, file or pathlib.Path("-"), stage))


def _review_manifests(
    api: Api,
    facts: Facts,
    request: manifest_review.Request,
    manifests: list[pathlib.Path],
    old: pathlib.Path | None,
) -> int:
    """Show what becomes of each object; the exit code."""
    from schemagen import judge
    from schemagen import manifests as objects

    before = [] if old is None else [*objects.read(apis.read_bytes(old), apis.name_of(old))]
    is_refused, separator = False, ""
    with judge.Judge() as asked:
        reviewer = manifest_review.Reviewer(api, asked, facts, request)
        for path in manifests:
            source = apis.name_of(path)
            found = [*objects.read(apis.read_bytes(path), source)]
            for document, counterpart in manifest_review.counterparts(found, before):
                reviewed = reviewer.review(document, source, counterpart)
                if reviewed is None:
                    place = f"{source}:{document.line}"
                    typer.echo(f"{place}: passed over: no kind of {api.group}", err=True)
                    continue
                for line in (*reviewed.warnings, *reviewed.refusals):
                    typer.echo(line, err=True)
                is_refused = is_refused or bool(reviewed.refusals)
                if reviewed.value is not None:
                    typer.echo(f"{separator}{yaml.dumps(reviewed.value)}", nl=False)
                    separator = "---\n"
    return 1 if is_refused else 0


def _review(
    api: Api, facts: Facts, file: pathlib.Path, stage: Literal["all", "mutate", "validate"]
) -> int:
    """Answer a review; the exit code."""
    body = apis.read_bytes(file)
    try:
        answer = _answer(api, body, stage, facts)
    except reviews.MalformedReviewError as error:
        raise UserError(f"{error}, in {apis.name_of(file)}") from error
    typer.echo(reviews.encode(answer))
    response = answer["response"]
    status = response.get("result", {}).get("status")
    return 0 if response.get("allowed") or status == "Success" else 1


def _answer(
    api: Api, body: bytes, stage: Literal["all", "mutate", "validate"], facts: Facts
) -> JSON:
    value = reviews.decode(body)
    converter = Converter(api)
    try:
        if type(value) is dict and value.get("kind") == "ConversionReview":
            return conversion.convert(converter, reviews.conversion_request(body)).answer
        stages = {
            "all": admission.review,
            "mutate": admission.mutate,
            "validate": admission.validate,
        }
        request = reviews.admission_request(body)
        return admission.answer(stages[stage], converter, request, facts)
    except reviews.UnusableReviewError as error:
        return reviews.failed(error.envelope, error.message)


@app.command()
def manifests(
    reference: ApiReference,
    service: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", help="The Service in front of the server."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of a server outside the cluster, instead.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port of the Service.")
    ] = 443,
    target_port: Annotated[
        int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port of the server.")
    ] = 9443,
    storage: Annotated[str | None, typer.Option(help="Storage version, such as v1alpha1.")] = None,
    cert_manager: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/CERTIFICATE",
            help="Let cert-manager inject the caBundle of this Certificate.",
        ),
    ] = None,
) -> None:
    """Write what makes a cluster call the server, as YAML to standard output.

    The CRDs with their conversion stanza, the Service, the webhook configurations of the kinds that
    need one, and ValidatingAdmissionPolicies for rules that the API server can ask by itself. No
    caBundle: `webhooks serve --install` or cert-manager writes it.

    Exit codes: 0 written, 2 the Api cannot be read, or an option is wrong.
    """
    api = _load(reference)
    if (service is None) == (url is None):
        raise UserError("expected --service NAMESPACE/NAME or --url https://HOST, and not both")
    try:
        if storage is not None:
            api = api.stored_as(storage)
        if service is not None:
            place = configuration.split(service)
            found = configuration.manifests(
                api,
                configuration.at_service(*place, port),
                service=configuration.service(*place, port, target_port),
                certificate=cert_manager,
            )
        else:
            found = configuration.manifests(
                api, configuration.at_url(f"{url}".rstrip("/")), certificate=cert_manager
            )
    except ValueError as error:
        raise UserError(str(error)) from error
    for document in found:
        typer.echo(f"---\n{yaml.dumps(document)}", nl=False)


@app.command("lint")
def lint_(
    file: Annotated[
        list[pathlib.Path],
        typer.Argument(help="Manifests to check; - is standard input.", allow_dash=True),
    ],
    strict: Annotated[bool, typer.Option(help="Exit with 1 for warnings, too.")] = False,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="How to write findings.")
    ] = "text",
) -> None:
    """Check webhook configurations, of whatever origin, against good practice.

    Reads Validating- and MutatingWebhookConfigurations and CRDs; `kubectl get -o yaml` lists too.
    What the API server would refuse, judged by its own validation, is an error.
    Exit codes: 0 nothing to mend, 1 an error was found, 2 a file cannot be read.
    """
    from schemagen import judge
    from webhooks import lint_manifests

    report = lint_manifests.Report()
    with judge.Judge() as asked:
        for path in file:
            now = dt.datetime.now(dt.UTC)
            report.read(apis.read_bytes(path), apis.name_of(path), asked, now)
    if output == "json":
        typer.echo(orjson.dumps([one.members for one in report.findings]))
    for one in report.findings if output == "text" else ():
        typer.echo(str(one))
    levels = report.levels
    typer.echo(
        f"{report.count} configurations: {levels.count('error')} errors, "
        f"{levels.count('warning')} warnings",
        err=True,
    )
    raise typer.Exit(1 if "error" in levels or (strict and levels) else 0)


@app.command()
def serve(
    reference: ApiReference,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=addresses.MAX_PORT, help="Port to listen on; 0 takes a free one."),
    ] = 9443,
    cert_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of ca.crt, tls.crt and tls.key; an own authority and leaf are made "
            "there if it is empty. \\[default: certificates/GROUP in --state-dir]",
        ),
    ] = None,
    state_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for what is kept from one run to the next, and for temporary files where "
            "nothing else can be written. \\[default: the user's state directory]",
        ),
    ] = None,
    cert_secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="Secret by which all replicas share an authority: it is made there, published "
            "in the caBundles, and replaced in time without a failed call.",
        ),
    ] = None,
    cert_hold: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="Seconds for which a new authority is published before what it signed is served.",
        ),
    ] = 60.0,
    cert_lease: Annotated[
        float,
        typer.Option(
            min=1,
            max=MAX_SECONDS,
            help="Seconds after which a silent replica blocks no rotation.",
        ),
    ] = 60.0,
    leaf_days: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_DAYS,
            help="Days that a certificate is valid which is made here.",
        ),
    ] = authority.LEAF_LIFETIME.days,
    authority_days: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_DAYS,
            help="Days that an authority is valid which is made here.",
        ),
    ] = authority.AUTHORITY_LIFETIME.days,
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
    service: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="Service that calls come by, for --install. Without it a Service that is "
            "installed stays if the certificate has its name; else calls come by URL.",
        ),
    ] = None,
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
    check_trust: Annotated[
        bool | None,
        typer.Option(
            "--check-trust/--no-check-trust",
            help="Be ready only while what is served is trusted by the caBundles in the cluster, "
            "as last observed. On with --install or --kubeconfig.",
        ),
    ] = None,
    settings: SettingsFile = None,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_WORKERS,
            help=f"Processes that answer reviews; 0: one a processor, at most {DEFAULT_WORKERS}.",
        ),
    ] = 0,
    transport: Annotated[
        server.Transport, typer.Option(help="What speaks HTTP; aiohttp is the slower reference.")
    ] = "lean",
    health_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=addresses.MAX_PORT,
            help="Port of /livez, /readyz and /metrics (plain HTTP); 0 takes a free one.",
        ),
    ] = 0,
    audit_log: Annotated[
        pathlib.Path | None,
        typer.Option(help="Append a line of JSON for every decision: who, what, the verdict."),
    ] = None,
    traces: Annotated[
        bool,
        typer.Option(
            "--traces",
            help="Send a span for each review by OTLP over HTTP, where OpenTelemetry's own "
            "variables say (OTEL_EXPORTER_OTLP_ENDPOINT); needs kubewright\\[traces].",
        ),
    ] = False,
    client_ca: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="PEM of the authorities whose clients may ask for admission; without it anyone "
            "may who reaches the port. The API server's certificate is in its "
            "AdmissionConfiguration. It shows none for conversions, which anyone may ask for."
        ),
    ] = None,
    verify_answers: Annotated[
        bool,
        typer.Option(
            "--verify-answers",
            help="Check each answer as the API server would, and hold back one that it would "
            "reject. For tests: it costs as much as the review.",
        ),
    ] = False,
    quiet: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="On SIGTERM, end once nothing was asked for so many seconds.",
        ),
    ] = 1.0,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="On SIGTERM, end after so many seconds at the latest.",
        ),
    ] = 30.0,
) -> None:
    """Serve /mutate, /validate and /convert over TLS until SIGTERM or SIGINT.

    SIGHUP, or changed files, make it read certificates and settings again.

    Exit codes: 0 told to stop, 2 it could not start, or was refused by the cluster.
    """
    process.log_to_stderr()
    api = _load(reference)
    for line in unsatisfiable.lines(api):
        structlog.get_logger("webhooks").warning("writes will be refused", reason=line)
    worker.facts_of(settings, api)
    if client_ca is not None and not client_ca.is_file():
        raise UserError(f"expected PEM certificates at {client_ca}, got no file")
    if cert_dir is not None and cert_secret is not None:
        raise UserError("expected --cert-dir or --cert-secret, got both")
    names = name or addresses.names(host)
    knows_cluster = register or kubeconfig is not None
    with contextlib.ExitStack() as stack:
        try:
            if storage is not None:
                api = api.stored_as(storage)
            secret = None if cert_secret is None else configuration.split(cert_secret)
            lifetimes = authority.Lifetimes(
                dt.timedelta(days=leaf_days), dt.timedelta(days=authority_days)
            )
            state = state_dir or apis.state_directory()
            # Of this replica alone: workers read there what is to be served now.
            scratch = stack.enter_context(apis.scratch(state))
            orders = worker.Orders(
                reference=reference,
                cert_dir=str(scratch),
                settings=None if settings is None else str(settings),
                kubeconfig=None if kubeconfig is None else str(kubeconfig),
                is_looking_up=knows_cluster if look_up is None else look_up,
                transport=transport,
                audit_log=None if audit_log is None else str(audit_log),
                client_ca=None if client_ca is None else str(client_ca),
                is_verifying=verify_answers,
                is_tracing=traces,
                quiet_seconds=quiet,
                drain_seconds=drain,
            )
            joins = joining.Joining(
                kubeconfig,
                source=cert_dir or state / "certificates" / api.group,
                is_installing=register,
                service=None if service is None else configuration.split(service),
                is_checking_trust=knows_cluster if check_trust is None else check_trust,
                secret=secret,
                settings=keeper.Settings(
                    hold_seconds=cert_hold,
                    lease_seconds=cert_lease,
                    period_seconds=min(2.0, cert_lease / 10, max(0.2, cert_hold / 10)),
                    lifetimes=lifetimes,
                ),
            )
            uvloop.run(
                _serve(
                    api,
                    orders,
                    names,
                    server.listening(host, port),
                    workers=workers or min(supervisor.usable_processors(), DEFAULT_WORKERS),
                    health=(host, health_port),
                    joins=joins,
                )
            )
        except FAILURES as error:
            raise UserError(str(error)) from error


@app.command()
def uninstall(
    reference: ApiReference,
    unserve: Annotated[
        bool,
        typer.Option(
            "--unserve",
            help="Rewrite objects and stop serving versions that cannot do without conversion; "
            "their clients get 404.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps and change nothing.")
    ] = False,
    kubeconfig: Annotated[
        pathlib.Path | None, typer.Option(help="Which cluster; as kubectl's if absent.")
    ] = None,
) -> None:
    """Take an Api's webhooks, policies and conversion out of a cluster; CRDs and objects stay.

    Run it while the server still runs, and stop the server afterwards: until conversion has ended,
    objects are read through it. Where several versions are served or stored, it is refused with
    what it would cost; --unserve accepts that. A Service and the Secret of --cert-secret are left.

    Exit codes: 0 done, 1 refused for its cost, 2 refused by the cluster.
    """
    from webhooks import uninstall as command

    api = _load(reference)

    async def run() -> None:
        # Versions that go are deprecated, which the API server says of each call.
        async with related.client_of(kubeconfig, on_warning=lambda _: None) as client:
            await command.uninstall(
                client, api, unserves=unserve, is_dry_run=dry_run, tell=typer.echo
            )

    try:
        asyncio.run(run())
    except command.CostError as error:
        typer.echo(f"webhooks: {error}", err=True)
        raise typer.Exit(1) from error
    except FAILURES as error:
        raise UserError(str(error)) from error


@app.command()
def dev(
    reference: ApiReference,
    directory: Annotated[
        pathlib.Path,
        typer.Option(help="Folder for the kubeconfig, the certificates, the data and the logs."),
    ] = pathlib.Path(".dev"),
    settings: SettingsFile = None,
) -> None:
    """Keep an API server with the Api on this machine, and serve its webhooks, until Ctrl-C.

    CRDs, webhook configurations and policies are installed, and the line for kubectl is printed.
    When a Python file below the working directory changes, all is installed and served anew; a
    module that is broken, or that the API server refuses, is reported, and what was served goes on.

    Exit codes: 0 told to stop, 2 it could not start.
    """
    from webhooks import dev as command

    raise typer.Exit(command.run(reference, directory, settings))


async def _serve(
    api: Api,
    orders: worker.Orders,
    names: Sequence[str],
    listener: socket.socket,
    *,
    workers: int,
    health: tuple[str, int],
    joins: joining.Joining,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    found = supervisor.Supervisor(orders, listener, workers=workers, api=api)
    loop.add_signal_handler(signal.SIGHUP, found.reload)
    address = listener.getsockname()[:2]
    base_url = addresses.url("https", names[0], address[1])
    directory = pathlib.Path(orders.cert_dir)
    async with (
        found.health(*health) as shown,
        joining.member(joins, api, names, directory, served=found.served) as member,
    ):
        try:
            structlog.get_logger("webhooks").info("health and metrics", url=shown)
            member.show(found)
            await found.start()
            if await _has_ended(member.join(found, base_url, address), stopped):
                process.standard_error().flush()
                # One line on standard output once everything is ready: what a supervisor waits for.
                typer.echo(f"serving {api.group} at {base_url}")
                sys.stdout.flush()
                await stopped.wait()
        finally:
            await found.stop()


async def _has_ended(work: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Work until it has ended or the server is to stop; whether it has ended."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        waiting.cancel()
        working.cancel()


def _load(reference: str) -> Api:
    """The Api, whose conversions fit its models."""
    api = apis.load_api(reference)
    conversions.check(api)
    return api


def main() -> None:
    """The console script."""
    app()
