"""Worker process that answers reviews. Shell: sockets, files, signals, the clock.

It accepts from the supervisor's listening socket, reports its counters once a second, and drains
when it is stopped or the supervisor is gone: it keeps serving, closes connections after their
response, and exits once no request has arrived for a while.
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

from certs import authority, tls_contexts
from certs.directory import files as certificates
from certs.directory.contents import CERTIFICATE, KEY
from controllers.process import setup
from controllers.process.log_writer import LogWriter
from schemagen import Api, Facts, yaml
from schemagen import files as apis
from schemagen.cli import frame
from schemagen.problems import UserError
from schemagen.versions.declared import loading
from webhooks import reviewer, routing
from webhooks.observe import metrics, tls_handshakes
from webhooks.observe.access_log import Journal
from webhooks.review import admission
from webhooks.server import large_reviews, review_listener

TICK_SECONDS: Final = 1.0

log = structlog.get_logger("webhooks")


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Configuration of a worker, passed between the processes as JSON.

    Attributes:
        reference: Module and name of the Api: ``crds:api``; None for CRDs without models.
        crds: Files and directories of those.
        conversions: Files and directories of the conversions declared for them.
        cert_dir: Directory of the certificate to serve; written by the supervisor's certificate
            rotator.
        quiet_seconds: A stopping worker exits once no request arrived for this long.
        drain_seconds: A stopping worker exits after this long at the latest.
        last_settings: Last valid content of the settings file, for a worker that starts while the
            file is invalid.
    """

    reference: str | None
    cert_dir: str
    crds: tuple[str, ...] = ()
    conversions: tuple[str, ...] = ()
    settings: str | None = None
    kubeconfig: str | None = None
    is_looking_up: bool = False
    transport: review_listener.Transport = "lean"
    audit_log: str | None = None
    client_ca: str | None = None
    is_verifying: bool = False
    is_tracing: bool = False
    last_settings: dict[str, Any] | None = None
    quiet_seconds: float = 1.0
    drain_seconds: float = 30.0


class SettingsError(UserError, ValueError):
    """The operator's settings file cannot be used."""


def facts_of(path: pathlib.Path | None, api: Api) -> Facts:
    """Read the facts that rules know from the operator's settings.

    Args:
        path: The settings file, if any.
        api: Validates the settings.

    Raises:
        SettingsError: The file cannot be read or is invalid.
    """
    if path is None:
        return admission.NO_FACTS
    settings = read_settings(path)
    for problem in api.settings_problems(settings) if api.settings_problems else ():
        raise SettingsError(f"{path}: {problem}")
    return Facts(settings=settings)


def read_settings(path: pathlib.Path) -> dict[str, Any]:
    """Read the settings file without validating its fields.

    Raises:
        SettingsError: The file cannot be read or is not a single mapping.
    """
    try:
        documents = yaml.load_all(apis.read_bytes(path))
    except (apis.InputError, yaml.YAMLError) as error:
        raise SettingsError(f"expected settings in YAML at {path}: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise SettingsError(f"expected one mapping in {path}, got {len(documents)} documents")
    return documents[0]


Stamps: TypeAlias = list[tuple[int, int] | None]


def stamps_of(config: WorkerConfig) -> Stamps:
    """Return stamps of the watched files: certificate, key and settings."""
    directory = pathlib.Path(config.cert_dir)
    paths = [directory / CERTIFICATE, directory / KEY]
    if config.settings is not None:
        paths.append(pathlib.Path(config.settings))
    return [certificates.stamp(path) for path in paths]


def main(config: str, listener: int, channel: int) -> int:
    """Run until stopped; print a failure and return the exit code.

    Args:
        config: JSON of ``WorkerConfig``.
        listener: File descriptor of the listening socket.
        channel: File descriptor of the socket to the supervisor.
    """
    setup.log_to_stderr()
    setup.allow_deep_json()
    given = msgspec.json.decode(config, type=WorkerConfig)
    sockets = socket.socket(fileno=listener), socket.socket(fileno=channel)
    return frame.guarded("webhooks", lambda: _until_stopped(given, *sockets))


def _until_stopped(config: WorkerConfig, listener: socket.socket, channel: socket.socket) -> None:
    try:
        api = loading.api_of(config.reference, config.crds, config.conversions)

        def attend(socket_: socket.socket) -> None:
            setup.log_after_fork()
            listener.close()
            channel.close()
            try:
                uvloop.run(_attend(config, api, socket_))
            except Exception:  # nothing else reports it
                log.exception("process for large bodies failed")
            setup.standard_error().close()

        with large_reviews.forked(attend) as asking:
            uvloop.run(_work(config, api, listener, channel, asking))
    except (authority.CertificateError, OSError, ValueError, reviewer.UnreadableError) as error:
        raise UserError(str(error)) from error


async def _attend(config: WorkerConfig, api: Api, channel: socket.socket) -> None:
    """Review large bodies for another process until it ends."""
    async with contextlib.AsyncExitStack() as stack:
        reviewer = large_reviews.Server()
        paths = await _routes(stack, config, api, lambda: Facts(settings=reviewer.settings))
        setup.collect_less_garbage()
        await reviewer.serve(channel, paths)


async def _work(
    config: WorkerConfig,
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
    files = _Files(config, api)
    loop.add_signal_handler(signal.SIGHUP, files.reload)
    failed = tls_handshakes.Handshakes()
    failed.watch(files.tls)
    large = await large_reviews.connected(asking, lambda: files.facts.settings)
    async with _serving(config, api, files, listener, large) as (running, journal):

        def report() -> None:
            failed.warn(loop.time())
            for loss in journal.losses.due(loop.time()):
                log.warning("log lines dropped", **loss)
            _report(writer, running, journal, files, failed)

        report()
        setup.collect_less_garbage()
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await stopped.wait()
            files.reload_changed()
            report()
            large.count_silence()
            if large.is_gone:
                log.error(
                    "process for large bodies ended or stopped responding, replacing the worker"
                )
                break
        await review_listener.wait_drained(
            running, quiet_seconds=config.quiet_seconds, max_seconds=config.drain_seconds
        )
        report()
    watch.cancel()
    large.close()
    writer.close()


async def _until_alone(reader: asyncio.StreamReader, stopped: asyncio.Event) -> None:
    """Set ``stopped`` when the supervisor is gone."""
    while await reader.read(1024):
        pass
    stopped.set()


def _report(
    writer: asyncio.StreamWriter,
    running: review_listener.Serving,
    journal: Journal,
    files: "_Files",
    failed: tls_handshakes.Handshakes,
) -> None:
    snapshot: dict[str, Any] = {
        **journal.snapshot(),
        "handshakes": [*failed.failed.items()],
        "in_flight": running.in_flight,
        "leaf": files.leaf,
        "leaf_not_after": files.leaf_not_after,
        "reload_failures": files.failures,
    }
    writer.write(orjson.dumps(snapshot, option=orjson.OPT_APPEND_NEWLINE))


@contextlib.asynccontextmanager
async def _serving(
    config: WorkerConfig,
    api: Api,
    files: "_Files",
    listener: socket.socket,
    large: large_reviews.Client,
) -> AsyncIterator[tuple[review_listener.Serving, Journal]]:
    async with contextlib.AsyncExitStack() as stack:
        audit = stack.enter_context(_appending(config.audit_log))
        add_spans = None
        if config.is_tracing:
            from webhooks.observe import traces  # noqa: PLC0415 - optional dependency

            spans = traces.Traces()
            stack.callback(spans.close)
            add_spans = spans.add
        journal = Journal(setup.standard_error(), metrics.LabelValues.of(api), audit, add_spans)
        stack.callback(journal.flush)
        paths = await _routes(stack, config, api, lambda: files.facts)
        running = await stack.enter_async_context(
            review_listener.serving(
                {
                    name: dataclasses.replace(route, review_large=large.answer)
                    for name, route in paths.items()
                },
                listener=listener,
                tls=files.tls,
                transport=config.transport,
                observe=journal.observe,
            )
        )
        yield running, journal


async def _routes(
    stack: contextlib.AsyncExitStack, config: WorkerConfig, api: Api, facts: Callable[[], Facts]
) -> Mapping[str, routing.Route]:
    """Build the routes, with the client for object lookups until the stack is closed."""
    read, fetch = None, None
    if config.is_looking_up:
        from webhooks.server import object_lookup  # noqa: PLC0415 - saves memory without lookups

        kubeconfig = None if config.kubeconfig is None else pathlib.Path(config.kubeconfig)
        client = await stack.enter_async_context(object_lookup.client_of(kubeconfig))
        looked_up = object_lookup.Related(client, api)
        read, fetch = looked_up.read, looked_up.fetch
    return routing.routes(
        api,
        facts,
        read,
        fetch=fetch,
        is_verifying=config.is_verifying,
        is_client_required=config.client_ca is not None,
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
    """Files that are reloaded when they change; an invalid one keeps the previous content.

    Attributes:
        api: Validates the settings.
        leaf: Fingerprint of the certificate that is served.
        leaf_not_after: Its expiry, in seconds since 1970.
        failures: Number of failed reloads.
    """

    config: WorkerConfig
    api: Api
    leaf: str = ""
    leaf_not_after: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        self._stamps = stamps_of(self.config)
        self.facts = self._first_facts()
        pair = certificates.read_pair(self.config.cert_dir)
        self.tls: ssl.SSLContext = tls_contexts.server_context(
            pair, client_ca=_client_ca(self.config.client_ca)
        )
        self._set_served(pair)

    def reload_changed(self) -> None:
        """Reload the files if they changed."""
        stamps = stamps_of(self.config)
        if stamps != self._stamps:
            self._stamps = stamps
            self.reload()

    def reload(self) -> None:
        """Reload the files; connections are kept."""
        self._try(self._reload_facts)
        self._try(self._reload_pair)

    def _first_facts(self) -> Facts:
        try:
            return facts_of(self._settings, self.api)
        except SettingsError as error:
            if self.config.last_settings is None:
                raise
            self._reload_failed(error)
            return Facts(settings=self.config.last_settings)

    def _reload_facts(self) -> None:
        self.facts = facts_of(self._settings, self.api)

    def _reload_pair(self) -> None:
        pair = certificates.read_pair(self.config.cert_dir)
        tls_contexts.serve(self.tls, pair)
        self._set_served(pair)

    def _set_served(self, pair: authority.Pair) -> None:
        self.leaf = authority.fingerprint(pair.certificate)
        self.leaf_not_after = pair.certificate.not_valid_after_utc.timestamp()

    def _try(self, read: Callable[[], None]) -> None:
        try:
            read()
        except (SettingsError, authority.CertificateError, ssl.SSLError, OSError) as error:
            self._reload_failed(error)

    def _reload_failed(self, error: Exception) -> None:
        self.failures += 1
        log.error("reload failed, keeping the previous files", reason=str(error))

    @property
    def _settings(self) -> pathlib.Path | None:
        return None if self.config.settings is None else pathlib.Path(self.config.settings)


def _client_ca(path: str | None) -> bytes | None:
    return None if path is None else pathlib.Path(path).read_bytes()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
