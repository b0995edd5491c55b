"""What ``agentctl certs`` does: reads the cluster, asks for a rotation, tries calls. Shell."""

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
from certs import authority, injector, report, stored
from controllers import kube
from schemagen import Api, crd, yaml
from schemagen import files as apis
from schemagen import manifests as objects
from schemagen.agreement import boundaries
from schemagen.problems import UserError
from webhooks import configuration, install, related, resources, routes, trust

Output = Literal["table", "json"]
WELL, WRONG, FAILED = 0, 1, 2
_POLL_SECONDS: Final = 0.5
_NAMESPACE: Final = "default"
_TRIED: Final = "kubewright-verify"
# Some of them break rules of the schema.
_DRAWN: Final = 20
# kube-apiserver's words when a webhook could not be called (admission, conversion).
_UNCALLED: Final = ("failed calling webhook", "conversion webhook for")


@dataclasses.dataclass(frozen=True)
class Tried:
    """A call, or why none was made.

    Attributes:
        who: The configuration, or the API server.
        where: Whom it calls.
        outcome: «ok», «failed», or «not tried».
        reason: Why not.
    """

    who: str
    where: str
    outcome: Literal["ok", "failed", "not tried"]
    reason: str = ""


class _NoSecretError(Exception):
    """There is no state of ours: somebody else makes the certificates."""


def status(kubeconfig: pathlib.Path | None, secret: str, api: Api, output: Output) -> int:
    """Show the certificates of who serves an Api; the exit code."""

    async def show(client: kube.Client) -> int:
        found = await _report(client, api, configuration.split(secret))
        if output == "json":
            _print_json(dataclasses.asdict(found))
        else:
            _show(found)
        return WRONG if found.problems else WELL

    return _run(kubeconfig, show)


def rotate(kubeconfig: pathlib.Path | None, secret: str, timeout_seconds: float | None) -> int:
    """Ask for a rotation, and follow it if there is time for it; the exit code."""

    async def ask(client: kube.Client) -> int:
        namespace, name = configuration.split(secret)
        await _secret(client, namespace, name)
        wish = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        changes = {"metadata": {"annotations": {stored.WANTED: wish}}}
        await client.patch(kube.SECRETS, name, changes, namespace=namespace)
        console = rich.console.Console(highlight=False)
        if timeout_seconds is None:
            console.print(f"asked for: agentctl certs status --secret {secret} shows it")
            return WELL
        try:
            async with asyncio.timeout(timeout_seconds):
                await _follow(client, namespace, name, wish, console)
        except TimeoutError:
            _complain(
                f"expected a rotation within {timeout_seconds:.0f} s, got none: it goes on; "
                f"agentctl certs status --secret {secret} shows how far it is and what is wrong"
            )
            return WRONG
        return WELL

    return _run(kubeconfig, ask)


def verify(
    kubeconfig: pathlib.Path | None,
    secret: str,
    api: Api,
    samples: Sequence[pathlib.Path],
    output: Output,
) -> int:
    """Try calls for an Api, with the objects of some manifests if there are any; the exit code."""
    found = [*_objects(api, samples)]

    async def try_calls(client: kube.Client) -> int:
        tried = [one async for one in _calls(client, api, found)]
        problems: Sequence[str] = ()
        with contextlib.suppress(_NoSecretError):
            problems = (await _report(client, api, configuration.split(secret))).problems
        if output == "json":
            _print_json({"calls": [dataclasses.asdict(one) for one in tried], "problems": problems})
        else:
            _show_calls(tried)
            _show_problems([*problems, *_failures(tried)])
        return WRONG if [*problems, *_failures(tried)] else WELL

    return _run(kubeconfig, try_calls)


# --- reading ------------------------------------------------------------------------------------


_FAILURES: Final = (
    kube.KubeError,
    authority.CertificateError,
    routes.UnreadableError,
    _NoSecretError,
    ValueError,
)


def _run(
    kubeconfig: pathlib.Path | None, work: Callable[[kube.Client], Coroutine[Any, Any, int]]
) -> int:
    async def with_client() -> int:
        # A version that is deprecated says so of each call.
        async with related.client_of(kubeconfig, on_warning=lambda _: None) as client:
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
        found = await client.get(kube.SECRETS, name, namespace=namespace)
    except kube.NotFoundError:
        raise _NoSecretError(
            f"expected Secret {namespace}/{name} of `webhooks serve --cert-secret`, got none: name "
            "another by --secret; certificates of cert-manager or own files are not ours to show "
            "or rotate, `agentctl certs verify` tries them"
        ) from None
    if found.get("type") == "kubernetes.io/tls":
        raise _NoSecretError(
            f"expected Secret {namespace}/{name} of `webhooks serve --cert-secret`, got a "
            "certificate that somebody else keeps: whoever made it (cert-manager?) rotates it; "
            "`agentctl certs verify` tries it"
        )
    return found


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
    leases = await client.list(kube.LEASES, namespace=namespace, labels=f"{stored.LABEL}={name}")
    bundles: dict[str, Sequence[str] | None] = {}
    async for target, value in _configurations(client, api):
        configs = None if value is None else injector.client_configs(target, value)
        bundles[str(target)] = (
            None if configs is None else [one.get("caBundle") or "" for one in configs]
        )
    return report.report(secret, leases.items, bundles, dt.datetime.now(dt.UTC))


async def _follow(
    client: kube.Client, namespace: str, name: str, wish: str, console: rich.console.Console
) -> None:
    """Say each step, until the wish is done and nothing rotates."""
    said = -1
    with console.status("asked for; a replica takes it up") as shown:
        while True:
            with contextlib.suppress(kube.UnreachableError, kube.NotFoundError):
                found = stored.read(await client.get(kube.SECRETS, name, namespace=namespace))
                has_begun, state = found.done == wish, found.state
                if has_begun and state.revision != said:
                    said = state.revision
                    published = " and ".join(map(str, state.published))
                    console.print(
                        f"{dt.datetime.now():%H:%M:%S}  authority {state.active} signs; "  # noqa: DTZ005 - the user's
                        f"believed: {published}"
                    )
                    shown.update("waiting for every configuration, the hold time, every replica")
                if has_begun and not state.is_rotating:
                    return
            await asyncio.sleep(_POLL_SECONDS)


# --- calls --------------------------------------------------------------------------------------


async def _calls(
    client: kube.Client, api: Api, samples: Iterable[Iterable[kube.JSON]]
) -> AsyncIterator[Tried]:
    seen: set[trust.Caller] = set()
    async for target, value in _configurations(client, api):
        if value is None:
            yield Tried(str(target), "", "failed", "it is not there: install it")
            continue
        for caller in trust.callers(target, value):
            if caller not in seen:
                seen.add(caller)
                yield await _call(caller)
    for values in samples:
        yield await first_asked(client, api, values)


async def _call(caller: trust.Caller) -> Tried:
    where = f"{caller.host}:{caller.port}"
    try:
        await asyncio.get_running_loop().getaddrinfo(caller.host, caller.port)
    except socket.gaierror:
        return Tried(caller.target, where, "not tried", "the name is not known here")
    reason = await trust.why_not(caller, (caller.host, caller.port))
    return Tried(caller.target, where, "failed" if reason else "ok", reason)


def _failures(tried: Sequence[Tried]) -> list[str]:
    return [f"{one.who}, {one.where}: the call failed" for one in tried if one.outcome == "failed"]


async def first_asked(client: kube.Client, api: Api, values: Iterable[kube.JSON]) -> Tried:
    """Try objects of a version until the webhooks are asked about one."""
    tried = Tried("the API server", "", "not tried")
    for value in values:
        tried = await _dry_run(client, api, value)
        if tried.outcome != "not tried":
            break
    return tried


async def _dry_run(client: kube.Client, api: Api, value: kube.JSON) -> Tried:
    """Have the API server call the webhooks for an object; a refusal of theirs is an answer."""
    (kind,) = (one for one in api if one.name == value["kind"])
    version = value["apiVersion"].rpartition("/")[2]
    resource = resources.resource_of(api, kind, version)
    where = f"{kind.plural} as {version}"
    value["metadata"].pop("namespace", None)
    namespace = _NAMESPACE if resource.namespaced else None
    try:
        await client.create(resource, value, namespace=namespace, dry_run=True)
    except kube.ApiError as error:
        if any(words in str(error) for words in _UNCALLED):
            return Tried("the API server", where, "failed", str(error))
        if isinstance(error, kube.NotFoundError):
            return Tried("the API server", where, "failed", str(error))
        # One that is there already is refused last.
        is_asked = "admission webhook" in str(error) or isinstance(error, kube.AlreadyExistsError)
        if not is_asked:
            reason = f"refused before any webhook: {error}; give another object by --sample"
            return Tried("the API server", where, "not tried", reason)
    return Tried("the API server", where, "ok")


def _objects(api: Api, manifests: Sequence[pathlib.Path]) -> Iterator[Iterable[kube.JSON]]:
    """What to try: the objects of an Api in some manifests, or of every kind and version some.

    Raises:
        UserError: if there is none of the Api's kinds in them.
    """
    if manifests:
        yield from ([value] for value in _given(api, manifests))
    elif api is crds.api:
        folder = importlib.resources.files(crds) / "samples"
        folders = (one for one in folder.iterdir() if one.is_dir())
        for version in sorted(folders, key=lambda one: one.name):
            for path in sorted(version.iterdir(), key=lambda one: one.name):
                yield from ([value] for value in yaml.load_all(path.read_bytes()))
    else:
        for kind in api:
            definition = crd.crd(api, kind, webhook=crd.NOWHERE)
            versions = definition["spec"]["versions"]
            yield from (_drawn(definition, one) for one in versions if one["served"])


def _drawn(definition: kube.JSON, version: kube.JSON) -> Iterator[kube.JSON]:
    """Objects of a version: one without fields, and some that its schema allows."""
    spec = definition["spec"]
    schema, draw = version["schema"]["openAPIV3Schema"], boundaries.Draw(random.Random(0))  # noqa: S311 - the same each time
    for fields in ({}, *(draw.valid(schema) for _ in range(_DRAWN))):
        yield {
            **{name: value for name, value in fields.items() if name != "status"},
            "apiVersion": f"{spec['group']}/{version['name']}",
            "kind": spec["names"]["kind"],
            "metadata": {"name": _TRIED},
        }


def _given(api: Api, manifests: Sequence[pathlib.Path]) -> Iterator[kube.JSON]:
    is_empty = True
    for path in manifests:
        for found in objects.read(apis.read_bytes(path), apis.name_of(path)):
            value = found.value
            if api.find(value.get("apiVersion"), value.get("kind")) is None:
                continue
            if found.refusal:
                raise UserError(f"{apis.name_of(path)}:{found.line}: {found.refusal}")
            is_empty = False
            metadata = value.get("metadata")
            yield {**value, "metadata": metadata if isinstance(metadata, dict) else {}}
    if is_empty:
        names = ", ".join(map(apis.name_of, manifests))
        raise UserError(f"expected an object of {api.group} in {names}, got none")


# --- showing ------------------------------------------------------------------------------------


def _print_json(value: Any) -> None:
    text = json.dumps(value, indent=2, default=lambda one: f"{one:%Y-%m-%dT%H:%M:%SZ}")
    sys.stdout.write(text + "\n")


def _show(found: report.Report) -> None:
    console, now = rich.console.Console(highlight=False), dt.datetime.now(dt.UTC)
    rows = [
        (str(one.generation), one.role, _until(one.not_after, now), one.fingerprint[:16])
        for one in found.authorities
    ]
    _table(console, ("AUTHORITY", "ROLE", "ENDS", "SHA-256"), rows)
    replicas = [
        (
            one.identity,
            str(one.generation),
            _since(one.renewed, now),
            "yes" if one.is_live else "no",
        )
        for one in found.replicas
    ]
    _table(console, ("REPLICA", "SERVES", "RENEWED", "LIVE"), replicas)
    believers = [
        (one.target, _believed(one), "yes" if one.is_exact else "no") for one in found.believers
    ]
    _table(console, ("CONFIGURATION", "BELIEVES", "IN SYNC"), believers)
    if found.wish:
        console.print(f"A rotation was asked for ({rich.markup.escape(found.wish)}) and not begun.")
    _show_problems(found.problems)


def _believed(one: report.Believer) -> str:
    if not one.is_there:
        return "not there"
    numbers = ", ".join(map(str, one.generations)) or "none of these"
    return f"{numbers} and {one.strangers} others" if one.strangers else numbers


def _show_calls(tried: Sequence[Tried]) -> None:
    console = rich.console.Console(highlight=False)
    rows = [(one.who, one.where, one.outcome, one.reason) for one in tried]
    _table(console, ("WHO CALLS", "WHOM", "OUTCOME", "REASON"), rows)


def _show_problems(problems: Sequence[str]) -> None:
    console = rich.console.Console(highlight=False)
    for one in problems:
        console.print(f"[red]wrong:[/] {rich.markup.escape(one)}", soft_wrap=True)
    if not problems:
        console.print("[green]nothing is wrong[/]")


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
