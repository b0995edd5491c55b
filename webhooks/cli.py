"""``webhooks``: serve an Api's webhooks, or review a single request without a server."""

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

from certs import authority, rotator
from controllers import kube
from controllers.process import addresses, setup
from schemagen import Api, Facts, yaml
from schemagen import files as apis
from schemagen.cli import frame
from schemagen.problems import JSON, UserError
from schemagen.versions.converter import Converter
from schemagen.versions.verification import cached as conversions
from schemagen.versions.verification import unsatisfiable
from webhooks import routing
from webhooks.cluster import configuration
from webhooks.commands import install as commands_install
from webhooks.development import manifest_review
from webhooks.review import admission, conversion, reviews
from webhooks.server import cluster_membership, object_lookup, review_listener, supervisor, worker

# Default and maximum of --workers: a worker takes about 100 MB.
DEFAULT_WORKERS = 4
MAX_WORKERS = 64
MAX_SECONDS = 86_400.0
MAX_DAYS = 36_500.0

# Startup failures caused by the user's input or the cluster, not by a bug.
FAILURES = (
    *(authority.CertificateError, kube.KubeError, TimeoutError, OSError, ValueError),
    *(supervisor.StartError, routing.UnreadableError),
)

app = typer.Typer(
    name="webhooks",
    cls=frame.Group,
    help="Admission and conversion webhooks for any schemagen Api.",
    epilog=frame.EPILOG,
    no_args_is_help=True,
)

ApiReference = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:API", help="Python module and name of the Api, such as crds:api."
    ),
]

SettingsFile = Annotated[
    pathlib.Path | None,
    typer.Option(help="YAML file with settings for the Api's rules, such as the admission policy."),
]


@app.callback()
def _main() -> None:
    """Admission and conversion webhooks for any schemagen Api."""
    setup.allow_deep_json()


@app.command()
def review(
    reference: ApiReference,
    file: Annotated[
        pathlib.Path | None,
        typer.Argument(help="JSON file with the review; - reads standard input.", allow_dash=True),
    ] = None,
    stage: Annotated[
        Literal["all", "mutate", "validate"],
        typer.Option(
            help="Webhook that answers an AdmissionReview; all: as routed by the API server."
        ),
    ] = "all",
    manifest: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            "--file",
            "-f",
            help="Manifest to review as if it were sent to the API server; may be repeated; - "
            "reads standard input.",
            allow_dash=True,
        ),
    ] = None,
    old: Annotated[
        pathlib.Path | None,
        typer.Option(help="Current objects in the cluster that --file updates."),
    ] = None,
    operation: Annotated[
        Literal["CREATE", "UPDATE", "DELETE"] | None,
        typer.Option(help="Admission operation. \\[default: CREATE, or UPDATE with --old]"),
    ] = None,
    subresource: Annotated[
        Literal["status"] | None, typer.Option(help="Subresource to write through; needs --old.")
    ] = None,
    user: Annotated[
        str, typer.Option(help="User name of the request.")
    ] = manifest_review.DEFAULT_USER,
    group: Annotated[
        list[str] | None, typer.Option(help="Group of the user; may be repeated.")
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace for manifests that do not set one.")
    ] = "default",
    strict: Annotated[
        bool, typer.Option(help="Refuse unknown and duplicate fields, as kubectl does.")
    ] = True,
    settings: SettingsFile = None,
) -> None:
    """Review an AdmissionReview, a ConversionReview or a manifest without a server.

    With --file the reviews are built locally: each object is decoded, defaulted, sent to the
    mutating webhook, validated against its schema and sent to the validating webhook, in the API
    server's order. The resulting object is written to standard output as YAML; refusals and
    warnings are written to standard error with file and line.

    Exit codes: 0 allowed or converted, 1 refused or failed, 2 invalid review or manifest, or a
    rule of the Api failed.
    """
    api = _load(reference)
    facts = worker.facts_of(settings, api)
    if (file is None) == (not manifest):
        raise UserError("expected either a review's JSON or manifests with --file")
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
    """Print the outcome for each object; return the exit code."""
    from schemagen import judge
    from schemagen.yaml import manifests as objects

    before = [] if old is None else [*objects.read(apis.read_bytes(old), apis.name_of(old))]
    is_refused, separator = False, ""
    with judge.Judge() as checker:
        reviewer = manifest_review.Reviewer(api, checker, facts, request)
        for path in manifests:
            source = apis.name_of(path)
            documents = [*objects.read(apis.read_bytes(path), source)]
            for document, counterpart in manifest_review.counterparts(documents, before):
                reviewed = reviewer.review(document, source, counterpart)
                if reviewed is None:
                    position = f"{source}:{document.line}"
                    typer.echo(f"{position}: skipped: not a kind of {api.group}", err=True)
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
    """Answer a review; return the exit code."""
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
        typer.Option(metavar="NAMESPACE/NAME", help="Service in front of the webhook server."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="URL of a webhook server outside the cluster.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port of the Service.")
    ] = 443,
    target_port: Annotated[
        int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port that the server listens on.")
    ] = 9443,
    storage: Annotated[str | None, typer.Option(help="Storage version, such as v1alpha1.")] = None,
    cert_manager: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/CERTIFICATE",
            help="Let cert-manager inject the caBundle from this Certificate.",
        ),
    ] = None,
) -> None:
    """Print the manifests that register the webhooks, as YAML.

    These are the CRDs with their conversion webhook, the Service, the webhook configurations of the
    kinds that need one, and ValidatingAdmissionPolicies for rules that the API server can evaluate
    itself. The caBundle is left out: `webhooks serve --install` or cert-manager sets it.

    Exit codes: 0 written, 2 the Api cannot be loaded or an option is invalid.
    """
    api = _load(reference)
    if (service is None) == (url is None):
        raise UserError("expected either --service NAMESPACE/NAME or --url https://HOST")
    try:
        if storage is not None:
            api = api.stored_as(storage)
        if service is not None:
            name = configuration.split(service)
            documents = configuration.manifests(
                api,
                configuration.at_service(*name, port),
                service=configuration.service(*name, port, target_port),
                certificate=cert_manager,
            )
        else:
            documents = configuration.manifests(
                api, configuration.at_url(url or ""), certificate=cert_manager
            )
    except ValueError as error:
        raise UserError(str(error)) from error
    for document in documents:
        typer.echo(f"---\n{yaml.dumps(document)}", nl=False)


@app.command("lint")
def lint_(
    file: Annotated[
        list[pathlib.Path],
        typer.Argument(help="Manifests to check; - reads standard input.", allow_dash=True),
    ],
    strict: Annotated[bool, typer.Option(help="Exit with 1 on warnings too.")] = False,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="Output format.")
    ] = "text",
) -> None:
    """Check webhook configurations against good practice.

    Reads ValidatingWebhookConfigurations, MutatingWebhookConfigurations and CRDs, also as a List
    from `kubectl get -o yaml`. Anything that the API server's own validation refuses is an error.
    Exit codes: 0 no errors, 1 an error was found, 2 a file cannot be read.
    """
    from schemagen import judge
    from webhooks.cluster import manifest_lint

    report = manifest_lint.Report()
    with judge.Judge() as checker:
        for path in file:
            now = dt.datetime.now(dt.UTC)
            report.read(apis.read_bytes(path), apis.name_of(path), checker, now)
    if output == "json":
        typer.echo(orjson.dumps([finding.members for finding in report.findings]))
    for finding in report.findings if output == "text" else ():
        typer.echo(str(finding))
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
        typer.Option(min=0, max=addresses.MAX_PORT, help="Port to listen on; 0 picks a free one."),
    ] = 9443,
    cert_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Directory with ca.crt, tls.crt and tls.key; if empty, a self-managed CA and a "
            "serving certificate are created in it. \\[default: certificates/GROUP in --state-dir]",
        ),
    ] = None,
    state_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Directory for persistent state, and for temporary files if no other directory is "
            "writable. \\[default: the user's state directory]",
        ),
    ] = None,
    cert_secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="Secret with the CA that all replicas share: it is created, published in the "
            "caBundles and rotated without failed calls.",
        ),
    ] = None,
    cert_hold: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="Seconds to publish a new CA before certificates signed by it are served.",
        ),
    ] = 60.0,
    cert_lease: Annotated[
        float,
        typer.Option(
            min=1,
            max=MAX_SECONDS,
            help="Seconds after which a replica that stopped renewing its Lease is considered "
            "dead.",
        ),
    ] = 60.0,
    leaf_days: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_DAYS,
            help="Validity of issued serving certificates, in days.",
        ),
    ] = authority.LEAF_LIFETIME.days,
    authority_days: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_DAYS,
            help="Validity of created CAs, in days.",
        ),
    ] = authority.AUTHORITY_LIFETIME.days,
    name: Annotated[
        list[str] | None,
        typer.Option(help="DNS name or IP address in the certificate; may be repeated."),
    ] = None,
    register: Annotated[
        bool,
        typer.Option(
            "--install", help="Also install the CRDs and webhook configurations in the cluster."
        ),
    ] = False,
    publish_ca: Annotated[
        bool,
        typer.Option(
            "--publish-ca",
            help="Write the ca.crt of --cert-dir to the caBundles of the installed CRDs and "
            "webhook configurations. Implied by --install.",
        ),
    ] = False,
    service: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="Service that the API server calls, for --install. By default an installed "
            "Service is kept if the certificate is valid for its name; otherwise a URL is used.",
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Storage version for --install, such as v1alpha1.")
    ] = None,
    kubeconfig: Annotated[
        pathlib.Path | None,
        typer.Option(help="Kubeconfig for --install and --look-up. \\[default: as kubectl]"),
    ] = None,
    look_up: Annotated[
        bool | None,
        typer.Option(
            "--look-up/--no-look-up",
            help="Read related objects that rules need from the cluster, such as the policy of a "
            "run's agent. \\[default: on with --install or --kubeconfig]",
        ),
    ] = None,
    check_trust: Annotated[
        bool | None,
        typer.Option(
            "--check-trust/--no-check-trust",
            help="Report ready only while the caBundles in the cluster trust the certificate. "
            "\\[default: on with --install or --kubeconfig]",
        ),
    ] = None,
    settings: SettingsFile = None,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_WORKERS,
            help=f"Worker processes; 0: one per processor, at most {DEFAULT_WORKERS}.",
        ),
    ] = 0,
    transport: Annotated[
        review_listener.Transport,
        typer.Option(help="HTTP implementation; aiohttp is the slower reference."),
    ] = "lean",
    health_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=addresses.MAX_PORT,
            help="Port of /livez, /readyz and /metrics (plain HTTP); 0 picks a free one.",
        ),
    ] = 0,
    audit_log: Annotated[
        pathlib.Path | None,
        typer.Option(help="Append one JSON line per decision: user, object and verdict."),
    ] = None,
    traces: Annotated[
        bool,
        typer.Option(
            "--traces",
            help="Export one span per review over OTLP/HTTP, configured by the OpenTelemetry "
            "variables (OTEL_EXPORTER_OTLP_ENDPOINT); needs kubewright\\[traces].",
        ),
    ] = False,
    client_ca: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="PEM file with the CAs of clients that may request admission; without it any "
            "client that reaches the port may. The API server's client certificate is set in its "
            "AdmissionConfiguration. Conversion is never authenticated: the API server sends no "
            "certificate for it."
        ),
    ] = None,
    verify_answers: Annotated[
        bool,
        typer.Option(
            "--verify-answers",
            help="Validate each response as the API server would, and suppress an invalid one. For "
            "tests: it costs as much as the review.",
        ),
    ] = False,
    quiet: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="On SIGTERM, exit once no request arrived for this many seconds.",
        ),
    ] = 1.0,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            help="On SIGTERM, exit after this many seconds at the latest.",
        ),
    ] = 30.0,
) -> None:
    """Serve /mutate, /validate and /convert over TLS until SIGTERM or SIGINT.

    On SIGHUP, or when the files change, certificates and settings are reloaded.

    Exit codes: 0 stopped, 2 failed to start, or the cluster refused the registration.
    """
    setup.log_to_stderr()
    api = _load(reference)
    for line in unsatisfiable.lines(api):
        structlog.get_logger("webhooks").warning(
            "every write in this version will be refused", reason=line
        )
    worker.facts_of(settings, api)
    if client_ca is not None and not client_ca.is_file():
        raise UserError(f"expected a file of PEM certificates at {client_ca}, got no file")
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
            # Private to this replica: workers read the certificate to serve from it.
            scratch = stack.enter_context(apis.scratch(state))
            config = worker.WorkerConfig(
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
            joins = cluster_membership.MembershipConfig(
                kubeconfig,
                source=cert_dir or state / "certificates" / api.group,
                is_installing=register,
                is_publishing=publish_ca,
                service=None if service is None else configuration.split(service),
                is_checking_trust=knows_cluster if check_trust is None else check_trust,
                secret=secret,
                settings=rotator.Settings(
                    hold_seconds=cert_hold,
                    lease_seconds=cert_lease,
                    period_seconds=min(2.0, cert_lease / 10, max(0.2, cert_hold / 10)),
                    lifetimes=lifetimes,
                ),
            )
            uvloop.run(
                _serve(
                    api,
                    config,
                    names,
                    review_listener.listening(host, port),
                    workers=workers or min(supervisor.usable_processors(), DEFAULT_WORKERS),
                    health=(host, health_port),
                    joins=joins,
                )
            )
        except FAILURES as error:
            raise UserError(str(error)) from error


app.command("install")(commands_install.install_)


@app.command()
def uninstall(
    reference: ApiReference,
    unserve: Annotated[
        bool,
        typer.Option(
            "--unserve",
            help="Rewrite objects and stop serving versions that need conversion; their clients "
            "get 404.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps without changing anything.")
    ] = False,
    kubeconfig: Annotated[
        pathlib.Path | None, typer.Option(help="Kubeconfig of the cluster. \\[default: as kubectl]")
    ] = None,
) -> None:
    """Remove an Api's webhooks, policies and conversion from a cluster; keep CRDs and objects.

    Run it while the server is running and stop the server afterwards: objects are read through
    conversion until it has been removed. If several versions are served or stored, the command
    refuses and explains the consequences; --unserve accepts them. The Service and the Secret of
    --cert-secret are kept.

    Exit codes: 0 done, 1 refused because clients would be affected, 2 refused by the cluster.
    """
    from webhooks.cluster import uninstall as command

    api = _load(reference)

    async def run() -> None:
        # The API server warns on each call of a version that becomes deprecated.
        async with object_lookup.client_of(kubeconfig, on_warning=lambda _: None) as client:
            await command.uninstall(
                client, api, unserves=unserve, is_dry_run=dry_run, report=typer.echo
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
        typer.Option(help="Directory for kubeconfig, certificates, etcd data and logs."),
    ] = pathlib.Path(".dev"),
    settings: SettingsFile = None,
) -> None:
    """Run a local API server with the Api and its webhooks until Ctrl-C.

    CRDs, webhook configurations and policies are installed, and the kubectl commands are printed.
    When a Python file below the working directory changes, everything is installed and served
    again. A module that is broken, or that the API server refuses, is reported while the previous
    one stays in service.

    Exit codes: 0 stopped, 2 failed to start.
    """
    from webhooks.development import dev as command

    raise typer.Exit(command.run(reference, directory, settings))


async def _serve(
    api: Api,
    config: worker.WorkerConfig,
    names: Sequence[str],
    listener: socket.socket,
    *,
    workers: int,
    health: tuple[str, int],
    joins: cluster_membership.MembershipConfig,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = supervisor.Supervisor(config, listener, workers=workers, api=api)
    loop.add_signal_handler(signal.SIGHUP, running.reload)
    address = listener.getsockname()[:2]
    base_url = addresses.url("https", names[0], address[1])
    directory = pathlib.Path(config.cert_dir)
    async with (
        running.health(*health) as shown,
        cluster_membership.member(joins, api, names, directory, served=running.served) as member,
    ):
        try:
            structlog.get_logger("webhooks").info("health and metrics", url=shown)
            member.show(running)
            await running.start()
            if await _has_ended(member.join(running, base_url, address), stopped):
                setup.standard_error().flush()
                # A single line on standard output tells supervisors that the server is ready.
                typer.echo(f"serving {api.group} at {base_url}")
                sys.stdout.flush()
                await stopped.wait()
        finally:
            await running.stop()


async def _has_ended(work: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Run the work until it ends or the server is stopped; return whether it ended."""
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
    """Load the Api and check that its conversions fit its models."""
    api = apis.load_api(reference)
    conversions.check(api)
    return api


def main() -> None:
    """Run the console script."""
    app()
