"""Implements ``agentctl certs``: status, rotation, test calls. Shell."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import importlib.resources
import json
import pathlib
import random
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import rich.console
import rich.markup
import rich.table

import crds
from certs import authority, injector, report, rotation_secret
from controllers import kube
from schemagen import Api, yaml
from schemagen import files as apis
from schemagen.crd import definitions
from schemagen.differential import generation
from schemagen.problems import UserError
from schemagen.yaml import manifests as objects
from webhooks import reviewer
from webhooks.cluster import api_resources, ca_bundle_check, configuration, install
from webhooks.server import object_lookup

Output = Literal["table", "json"]
OK, PROBLEMS, FAILED = 0, 1, 2
_POLL_SECONDS: Final = 0.5
_NAMESPACE: Final = "default"
_OBJECT_NAME: Final = "kubewright-verify"
# Some of the generated objects violate rules of the schema.
_GENERATED_OBJECTS: Final = 20
# Error texts of kube-apiserver when a webhook could not be called (admission, conversion).
_CALL_ERRORS: Final = ("failed calling webhook", "conversion webhook for")


@dataclasses.dataclass(frozen=True)
class CallResult:
    """A test call, or why none was made.

    Attributes:
        who: The caller: a configuration, or the API server.
        where: The endpoint.
        outcome: «ok», «failed», or «not tried».
        reason: Why it failed or was not made.
    """

    who: str
    where: str
    outcome: Literal["ok", "failed", "not tried"]
    reason: str = ""


class _NoSecretError(Exception):
    """The Secret is missing or not managed by ``webhooks serve``."""


def status(kubeconfig: pathlib.Path | None, secret: str, api: Api, output: Output) -> int:
    """Show the certificates that serve an Api's webhooks; return the exit code."""

    async def show(client: kube.Client) -> int:
        state = await _report(client, api, configuration.split(secret))
        if output == "json":
            _print_json(dataclasses.asdict(state))
        else:
            _show(state)
        return PROBLEMS if state.problems else OK

    return _run(kubeconfig, show)


def rotate(kubeconfig: pathlib.Path | None, secret: str, timeout_seconds: float | None) -> int:
    """Request a rotation, and with a timeout wait until it completes; return the exit code."""

    async def ask(client: kube.Client) -> int:
        namespace, name = configuration.split(secret)
        await _secret(client, namespace, name)
        wish = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        changes = {"metadata": {"annotations": {rotation_secret.WANTED: wish}}}
        await client.patch(kube.SECRETS, name, changes, namespace=namespace)
        console = rich.console.Console(highlight=False)
        if timeout_seconds is None:
            console.print(
                f"rotation requested: agentctl certs status --secret {secret} shows its progress"
            )
            return OK
        try:
            async with asyncio.timeout(timeout_seconds):
                await _follow(client, namespace, name, wish, console)
        except TimeoutError:
            _complain(
                f"expected a rotation within {timeout_seconds:.0f} s, got none: it continues; "
                f"agentctl certs status --secret {secret} shows its progress and problems"
            )
            return PROBLEMS
        return OK

    return _run(kubeconfig, ask)


def verify(
    kubeconfig: pathlib.Path | None,
    secret: str,
    api: Api,
    samples: Sequence[pathlib.Path],
    output: Output,
) -> int:
    """Make test calls for an Api, with objects from manifests if given; return the exit code."""
    objects_to_try = [*_objects(api, samples)]

    async def try_calls(client: kube.Client) -> int:
        tried = [call async for call in _calls(client, api, objects_to_try)]
        problems: Sequence[str] = ()
        with contextlib.suppress(_NoSecretError):
            problems = (await _report(client, api, configuration.split(secret))).problems
        if output == "json":
            _print_json(
                {"calls": [dataclasses.asdict(call) for call in tried], "problems": problems}
            )
        else:
            _show_calls(tried)
            _show_problems([*problems, *_failures(tried)])
        return PROBLEMS if [*problems, *_failures(tried)] else OK

    return _run(kubeconfig, try_calls)


# --- reading ------------------------------------------------------------------------------------


_FAILURES: Final = (
    kube.KubeError,
    authority.CertificateError,
    reviewer.UnreadableError,
    _NoSecretError,
    ValueError,
)


def _run(
    kubeconfig: pathlib.Path | None, work: Callable[[kube.Client], Coroutine[Any, Any, int]]
) -> int:
    async def with_client() -> int:
        # Deprecated versions send a warning with each response.
        async with object_lookup.client_of(kubeconfig, on_warning=lambda _: None) as client:
            return await work(client)

    try:
        return asyncio.run(with_client())
    except _FAILURES as error:
        _complain(str(error))
        return FAILED


def _complain(message: str) -> None:
    sys.stderr.write(f"agentctl: {message}\n")


async def _secret(client: kube.Client, namespace: str, name: str) -> kube.JSON:
    try:
        secret = await client.get(kube.SECRETS, name, namespace=namespace)
    except kube.NotFoundError:
        raise _NoSecretError(
            f"expected Secret {namespace}/{name} of `webhooks serve --cert-secret`, got none: name "
            "another with --secret; certificates from cert-manager or files cannot be shown or "
            "rotated here, but `agentctl certs verify` tests them"
        ) from None
    if secret.get("type") == "kubernetes.io/tls":
        raise _NoSecretError(
            f"expected Secret {namespace}/{name} of `webhooks serve --cert-secret`, got a "
            "kubernetes.io/tls Secret: its issuer (cert-manager?) rotates it; "
            "`agentctl certs verify` tests it"
        )
    return secret


async def _configurations(
    client: kube.Client, api: Api
) -> AsyncIterator[tuple[injector.Target, kube.JSON | None]]:
    for target in install.targets(api):
        try:
            yield target, await client.get(target.resource, target.name)
        except kube.NotFoundError:
            yield target, None


async def _report(client: kube.Client, api: Api, place: tuple[str, str]) -> report.Report:
    namespace, name = place
    secret = await _secret(client, namespace, name)
    leases = await client.list(
        kube.LEASES, namespace=namespace, labels=f"{rotation_secret.LABEL}={name}"
    )
    bundles: dict[str, Sequence[str] | None] = {}
    async for target, value in _configurations(client, api):
        configs = None if value is None else injector.client_configs(target, value)
        bundles[str(target)] = (
            None if configs is None else [config.get("caBundle") or "" for config in configs]
        )
    return report.report(secret, leases.items, bundles, dt.datetime.now(dt.UTC))


async def _follow(
    client: kube.Client, namespace: str, name: str, wish: str, console: rich.console.Console
) -> None:
    """Print each step until the requested rotation completes."""
    printed = -1
    with console.status("rotation requested; waiting for a replica") as shown:
        while True:
            with contextlib.suppress(kube.UnreachableError, kube.NotFoundError):
                current = rotation_secret.read(
                    await client.get(kube.SECRETS, name, namespace=namespace)
                )
                has_begun, state = current.done == wish, current.state
                if has_begun and state.revision != printed:
                    printed = state.revision
                    published = " and ".join(map(str, state.published))
                    console.print(
                        f"{dt.datetime.now():%H:%M:%S}  CA {state.active} signs; "  # noqa: DTZ005 - the user's
                        f"trusted: {published}"
                    )
                    shown.update("waiting for all configurations, the hold time and all replicas")
                if has_begun and not state.is_rotating:
                    return
            await asyncio.sleep(_POLL_SECONDS)


# --- calls --------------------------------------------------------------------------------------


async def _calls(
    client: kube.Client, api: Api, samples: Iterable[Iterable[kube.JSON]]
) -> AsyncIterator[CallResult]:
    seen: set[ca_bundle_check.Caller] = set()
    async for target, value in _configurations(client, api):
        if value is None:
            yield CallResult(str(target), "", "failed", "not found: install it")
            continue
        for caller in ca_bundle_check.callers(target, value):
            if caller not in seen:
                seen.add(caller)
                yield await _call(caller)
    for values in samples:
        yield await first_call(client, api, values)


async def _call(caller: ca_bundle_check.Caller) -> CallResult:
    where = f"{caller.host}:{caller.port}"
    try:
        await asyncio.get_running_loop().getaddrinfo(caller.host, caller.port)
    except socket.gaierror:
        return CallResult(caller.target, where, "not tried", "the name does not resolve here")
    reason = await ca_bundle_check.why_not(caller, (caller.host, caller.port))
    return CallResult(caller.target, where, "failed" if reason else "ok", reason)


def _failures(tried: Sequence[CallResult]) -> list[str]:
    return [
        f"{call.who}, {call.where}: the call failed" for call in tried if call.outcome == "failed"
    ]


async def first_call(client: kube.Client, api: Api, values: Iterable[kube.JSON]) -> CallResult:
    """Try objects of a version until one reaches the webhooks."""
    tried = CallResult("the API server", "", "not tried")
    for value in values:
        tried = await _dry_run(client, api, value)
        if tried.outcome != "not tried":
            break
    return tried


async def _dry_run(client: kube.Client, api: Api, value: kube.JSON) -> CallResult:
    """Create an object as a dry run, which calls the webhooks; a rejection counts as a call."""
    (kind,) = (candidate for candidate in api if candidate.name == value["kind"])
    version = value["apiVersion"].rpartition("/")[2]
    resource = api_resources.resource_of(api, kind, version)
    where = f"{kind.plural} as {version}"
    value["metadata"].pop("namespace", None)
    namespace = _NAMESPACE if resource.namespaced else None
    try:
        await client.create(resource, value, namespace=namespace, dry_run=True)
    except kube.ApiError as error:
        if any(words in str(error) for words in _CALL_ERRORS):
            return CallResult("the API server", where, "failed", str(error))
        if isinstance(error, kube.NotFoundError):
            return CallResult("the API server", where, "failed", str(error))
        # AlreadyExists is returned after admission.
        is_called = "admission webhook" in str(error) or isinstance(error, kube.AlreadyExistsError)
        if not is_called:
            reason = f"rejected before any webhook: {error}; pass another object with --sample"
            return CallResult("the API server", where, "not tried", reason)
    return CallResult("the API server", where, "ok")


def _objects(api: Api, manifests: Sequence[pathlib.Path]) -> Iterator[Iterable[kube.JSON]]:
    """Yield the objects to try: from manifests, or for each kind and version.

    Raises:
        UserError: The manifests contain no object of the Api.
    """
    if manifests:
        yield from ([value] for value in _given(api, manifests))
    elif api is crds.api:
        folder = importlib.resources.files(crds) / "samples"
        folders = (path for path in folder.iterdir() if path.is_dir())
        for version in sorted(folders, key=lambda path: path.name):
            for path in sorted(version.iterdir(), key=lambda path: path.name):
                yield from ([value] for value in yaml.load_all(path.read_bytes()))
    else:
        for kind in api:
            definition = definitions.crd(api, kind, webhook=definitions.NOWHERE)
            versions = definition["spec"]["versions"]
            yield from (_generated(definition, entry) for entry in versions if entry["served"])


def _generated(definition: kube.JSON, version: kube.JSON) -> Iterator[kube.JSON]:
    """Yield objects of a version: an empty one, then random ones valid by its schema."""
    spec = definition["spec"]
    schema, draw = version["schema"]["openAPIV3Schema"], generation.Draw(random.Random(0))  # noqa: S311 - the same each time
    for fields in ({}, *(draw.valid(schema) for _ in range(_GENERATED_OBJECTS))):
        yield {
            **{name: value for name, value in fields.items() if name != "status"},
            "apiVersion": f"{spec['group']}/{version['name']}",
            "kind": spec["names"]["kind"],
            "metadata": {"name": _OBJECT_NAME},
        }


def _given(api: Api, manifests: Sequence[pathlib.Path]) -> Iterator[kube.JSON]:
    is_empty = True
    for path in manifests:
        for manifest in objects.read(apis.read_bytes(path), apis.name_of(path)):
            value = manifest.value
            if api.find(value.get("apiVersion"), value.get("kind")) is None:
                continue
            if manifest.refusal:
                raise UserError(f"{apis.name_of(path)}:{manifest.line}: {manifest.refusal}")
            is_empty = False
            metadata = value.get("metadata")
            yield {**value, "metadata": metadata if isinstance(metadata, dict) else {}}
    if is_empty:
        names = ", ".join(map(apis.name_of, manifests))
        raise UserError(f"expected an object of {api.group} in {names}, got none")


# --- showing ------------------------------------------------------------------------------------


def _print_json(value: Any) -> None:
    text = json.dumps(value, indent=2, default=lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}")
    sys.stdout.write(text + "\n")


def _show(state: report.Report) -> None:
    console, now = rich.console.Console(highlight=False), dt.datetime.now(dt.UTC)
    rows = [
        (str(ca.generation), ca.role, _until(ca.not_after, now), ca.fingerprint[:16])
        for ca in state.authorities
    ]
    _table(console, ("CA", "ROLE", "EXPIRES", "SHA-256"), rows)
    replicas = [
        (
            replica.identity,
            str(replica.generation),
            _since(replica.renewed, now),
            "yes" if replica.is_live else "no",
        )
        for replica in state.replicas
    ]
    _table(console, ("REPLICA", "SERVES", "RENEWED", "LIVE"), replicas)
    clients = [
        (client.target, _trusted(client), "yes" if client.is_exact else "no")
        for client in state.believers
    ]
    _table(console, ("CONFIGURATION", "TRUSTS", "IN SYNC"), clients)
    if state.wish:
        console.print(
            f"A rotation was requested ({rich.markup.escape(state.wish)}) but has not started."
        )
    _show_problems(state.problems)


def _trusted(client: report.Believer) -> str:
    if not client.is_there:
        return "not found"
    numbers = ", ".join(map(str, client.generations)) or "none"
    return f"{numbers} and {client.strangers} others" if client.strangers else numbers


def _show_calls(tried: Sequence[CallResult]) -> None:
    console = rich.console.Console(highlight=False)
    rows = [(call.who, call.where, call.outcome, call.reason) for call in tried]
    _table(console, ("CALLER", "ENDPOINT", "OUTCOME", "REASON"), rows)


def _show_problems(problems: Sequence[str]) -> None:
    console = rich.console.Console(highlight=False)
    for problem in problems:
        console.print(f"[red]problem:[/] {rich.markup.escape(problem)}", soft_wrap=True)
    if not problems:
        console.print("[green]no problems found[/]")


def _table(
    console: rich.console.Console, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    table = rich.table.Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(rich.markup.escape, row))
    console.print(table, soft_wrap=not console.is_terminal)
    console.print()


def _until(when: dt.datetime, now: dt.datetime) -> str:
    days = (when - now) / dt.timedelta(days=1)
    left = f"in {days:.0f} days" if days >= 1 else "today" if days > 0 else "over"
    return f"{when:%Y-%m-%d %H:%MZ} ({left})"


def _since(when: dt.datetime | None, now: dt.datetime) -> str:
    return "never" if when is None else f"{max(0.0, (now - when).total_seconds()):.0f} s ago"
