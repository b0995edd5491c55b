"""A process that answers reviews. Shell: sockets, files, signals, the clock.

It accepts from the socket that the supervisor listens on, tells it once a second what it did, and
drains when it is told to stop or the supervisor is gone: it goes on serving, closes connections
with its answers, and ends once nothing was asked for a while.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec
import orjson
import structlog
import uvloop

from certs import authority
from certs import files as certificates
from schemagen import Api, Facts, commandline, yaml
from schemagen import files as apis
from schemagen.problems import UserError
from webhooks import admission, handshakes, large_reviews, metrics, process, routes, server
from webhooks.journal import Journal
from webhooks.log_writer import LogWriter

TICK_SECONDS: Final = 1.0

log = structlog.get_logger("webhooks")


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do; JSON between the processes.

    Attributes:
        reference: Where the Api is: ``crds:api``.
        cert_dir: What is served; the supervisor's keeper of certificates writes it.
        quiet_seconds: So long nothing may be asked before a worker that stops ends.
        drain_seconds: After this long it ends anyway.
        last_settings: What the file of settings said when it could be read last: a worker that
            starts while it is broken goes on with that, as those do that run.
    """

    reference: str
    cert_dir: str
    settings: str | None = None
    kubeconfig: str | None = None
    is_looking_up: bool = False
    transport: server.Transport = "lean"
    audit_log: str | None = None
    client_ca: str | None = None
    is_verifying: bool = False
    is_tracing: bool = False
    last_settings: dict[str, Any] | None = None
    quiet_seconds: float = 1.0
    drain_seconds: float = 30.0


class SettingsError(UserError, ValueError):
    """The operator's file cannot be used; says why."""


def facts_of(path: pathlib.Path | None, api: Api) -> Facts:
    """What reviews know of the operator's wishes.

    Args:
        path: The file; None is none.
        api: Judges what is in it.

    Raises:
        SettingsError: saying what was expected in the file.
    """
    if path is None:
        return admission.NO_FACTS
    settings = read_settings(path)
    for problem in api.settings_problems(settings) if api.settings_problems else ():
        raise SettingsError(f"{path}: {problem}")
    return Facts(settings=settings)


def read_settings(path: pathlib.Path) -> dict[str, Any]:
    """The mapping in the operator's file, whatever is in it.

    Raises:
        SettingsError: saying what was expected in the file.
    """
    try:
        documents = yaml.load_all(apis.read_bytes(path))
    except (apis.InputError, yaml.YAMLError) as error:
        raise SettingsError(f"expected settings in YAML at {path}: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise SettingsError(f"expected one mapping in {path}, got {len(documents)} documents")
    return documents[0]


Stamps: TypeAlias = list[tuple[int, int] | None]


def stamps_of(orders: Orders) -> Stamps:
    """What changes when the files do that are read again: the pair's, and the settings."""
    directory = pathlib.Path(orders.cert_dir)
    paths = [directory / certificates.CERTIFICATE, directory / certificates.KEY]
    if orders.settings is not None:
        paths.append(pathlib.Path(orders.settings))
    return [certificates.stamp(path) for path in paths]


def main(orders: str, listener: int, channel: int) -> int:
    """Work until told to stop; the exit code, after a line that says what went wrong.

    Args:
        orders: JSON of ``Orders``.
        listener: The descriptor of the listening socket.
        channel: The descriptor of the socket to the supervisor.
    """
    process.log_to_stderr()
    process.allow_deep_json()
    given = msgspec.json.decode(orders, type=Orders)
    sockets = socket.socket(fileno=listener), socket.socket(fileno=channel)
    return commandline.guarded("webhooks", lambda: _until_stopped(given, *sockets))


def _until_stopped(orders: Orders, listener: socket.socket, channel: socket.socket) -> None:
    try:
        api = apis.load_api(orders.reference)

        def attend(asked: socket.socket) -> None:
            process.log_after_fork()
            listener.close()
            channel.close()
            try:
                uvloop.run(_attend(orders, api, asked))
            except Exception:  # nobody else writes it down
                log.exception("reviewer of large bodies failed")
            process.standard_error().close()

        with large_reviews.forked(attend) as asking:
            uvloop.run(_work(orders, api, listener, channel, asking))
    except (authority.CertificateError, OSError, ValueError, routes.UnreadableError) as error:
        raise UserError(str(error)) from error


async def _attend(orders: Orders, api: Api, channel: socket.socket) -> None:
    """Review the large bodies of another process until that ends."""
    async with contextlib.AsyncExitStack() as stack:
        reviewer = large_reviews.Server()
        paths = await _routes(stack, orders, api, lambda: Facts(settings=reviewer.settings))
        process.collect_less_garbage()
        await reviewer.attend(channel, paths)


async def _work(
    orders: Orders,
    api: Api,
    listener: socket.socket,
    channel: socket.socket,
    asking: socket.socket,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    reader, writer = await asyncio.open_connection(sock=channel)
    watch = loop.create_task(_until_alone(reader, stopped))
    files = _Files(orders, api)
    loop.add_signal_handler(signal.SIGHUP, files.reload)
    failed = handshakes.Handshakes()
    failed.watch(files.tls)
    large = await large_reviews.connected(asking, lambda: files.facts.settings)
    async with _serving(orders, api, files, listener, large) as (found, journal):

        def report() -> None:
            failed.warn(loop.time())
            for loss in journal.losses.due(loop.time()):
                log.warning("log lines dropped", **loss)
            _report(writer, found, journal, files, failed)

        report()
        process.collect_less_garbage()
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await stopped.wait()
            files.reload_changed()
            report()
            large.look()
            if large.is_gone:
                log.error("reviewer of large bodies ended or is silent, replacing the worker")
                break
        await server.drained(
            found, quiet_seconds=orders.quiet_seconds, most_seconds=orders.drain_seconds
        )
        report()
    watch.cancel()
    large.close()
    writer.close()


async def _until_alone(reader: asyncio.StreamReader, stopped: asyncio.Event) -> None:
    """Stop when the supervisor is gone."""
    while await reader.read(1024):
        pass
    stopped.set()


def _report(
    writer: asyncio.StreamWriter,
    found: server.Serving,
    journal: Journal,
    files: "_Files",
    failed: handshakes.Handshakes,
) -> None:
    snapshot: dict[str, Any] = {
        **journal.snapshot(),
        "handshakes": [*failed.failed.items()],
        "in_flight": found.in_flight,
        "leaf": files.leaf,
        "leaf_not_after": files.leaf_not_after,
        "reload_failures": files.failures,
    }
    writer.write(orjson.dumps(snapshot, option=orjson.OPT_APPEND_NEWLINE))


@contextlib.asynccontextmanager
async def _serving(
    orders: Orders, api: Api, files: "_Files", listener: socket.socket, large: large_reviews.Client
) -> AsyncIterator[tuple[server.Serving, Journal]]:
    async with contextlib.AsyncExitStack() as stack:
        audit = stack.enter_context(_appending(orders.audit_log))
        add_spans = None
        if orders.is_tracing:
            from webhooks import traces  # noqa: PLC0415 - an extra that need not be there

            spans = traces.Traces()
            stack.callback(spans.close)
            add_spans = spans.add
        journal = Journal(process.standard_error(), metrics.Words.of(api), audit, add_spans)
        stack.callback(journal.settle)
        paths = await _routes(stack, orders, api, lambda: files.facts)
        found = await stack.enter_async_context(
            server.serving(
                {
                    name: dataclasses.replace(one, review_large=large.answer)
                    for name, one in paths.items()
                },
                listener=listener,
                tls=files.tls,
                transport=orders.transport,
                observe=journal.observe,
            )
        )
        yield found, journal


async def _routes(
    stack: contextlib.AsyncExitStack, orders: Orders, api: Api, facts: Callable[[], Facts]
) -> Mapping[str, routes.Route]:
    """What is answered, and with what it is looked up, until the stack ends."""
    read, fetch = None, None
    if orders.is_looking_up:
        from webhooks import related  # noqa: PLC0415 - a worker without a client is smaller

        place = None if orders.kubeconfig is None else pathlib.Path(orders.kubeconfig)
        client = await stack.enter_async_context(related.client_of(place))
        looked_up = related.Related(client, api)
        read, fetch = looked_up.read, looked_up.fetch
    return routes.routes(
        api,
        facts,
        read,
        fetch=fetch,
        is_verifying=orders.is_verifying,
        is_client_required=orders.client_ca is not None,
    )


@contextlib.contextmanager
def _appending(path: str | None) -> Iterator[LogWriter | None]:
    if path is None:
        yield None
        return
    with pathlib.Path(path).open("ab", buffering=0) as file:
        writer = LogWriter(file.fileno())
        try:
            yield writer
        finally:
            writer.close()


@dataclasses.dataclass
class _Files:
    """What is read from files, and read again when they change; what is broken is passed over.

    Attributes:
        api: Judges the settings.
        leaf: The fingerprint of what is served.
        leaf_not_after: When it ends, in seconds since 1970.
        failures: How often something was passed over.
    """

    orders: Orders
    api: Api
    leaf: str = ""
    leaf_not_after: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        self._seen = stamps_of(self.orders)
        self.facts = self._first_facts()
        pair = certificates.read_pair(self.orders.cert_dir)
        self.tls: ssl.SSLContext = certificates.server_context(
            pair, client_ca=_client_ca(self.orders.client_ca)
        )
        self._serves(pair)

    def reload_changed(self) -> None:
        """Read the files again if they are others now."""
        stamps = stamps_of(self.orders)
        if stamps != self._seen:
            self._seen = stamps
            self.reload()

    def reload(self) -> None:
        """Read the files again; connections stay as they are."""
        self._try(self._reload_facts)
        self._try(self._reload_pair)

    def _first_facts(self) -> Facts:
        try:
            return facts_of(self._settings, self.api)
        except SettingsError as error:
            if self.orders.last_settings is None:
                raise
            self._passed_over(error)
            return Facts(settings=self.orders.last_settings)

    def _reload_facts(self) -> None:
        self.facts = facts_of(self._settings, self.api)

    def _reload_pair(self) -> None:
        pair = certificates.read_pair(self.orders.cert_dir)
        certificates.serve(self.tls, pair)
        self._serves(pair)

    def _serves(self, pair: authority.Pair) -> None:
        self.leaf = authority.fingerprint(pair.certificate)
        self.leaf_not_after = pair.certificate.not_valid_after_utc.timestamp()

    def _try(self, read: Callable[[], None]) -> None:
        try:
            read()
        except (SettingsError, authority.CertificateError, ssl.SSLError, OSError) as error:
            self._passed_over(error)

    def _passed_over(self, error: Exception) -> None:
        self.failures += 1
        log.error("reload failed, keeping the previous files", reason=str(error))

    @property
    def _settings(self) -> pathlib.Path | None:
        return None if self.orders.settings is None else pathlib.Path(self.orders.settings)


def _client_ca(path: str | None) -> bytes | None:
    return None if path is None else pathlib.Path(path).read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
