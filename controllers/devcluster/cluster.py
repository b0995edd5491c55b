"""A control plane on loopback: etcd, kube-apiserver, and for Jobs kube-controller-manager and kwok.

Shell: processes, ports, files, time.
"""

import base64
import contextlib
import datetime as dt
import fcntl
import functools
import http.client
import json
import os
import pathlib
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

from certs import authority
from controllers.devcluster import audit, binaries, errors, jobs, tools
from controllers.process import owned_processes

HOST = "127.0.0.1"
# An end is noticed at once; on a busy machine the API server bootstraps its roles for minutes.
READY_SECONDS = 300.0
_POLL_SECONDS = 0.05
_ATTEMPTS = 3
_SHOWN_LINES = 15
# These are stateless; without etcd, a graceful shutdown of the API server takes longer.
_STATELESS_GRACE_SECONDS = 3.0
_ANSWER_BYTES = 64 * 1024
# First address of --service-cluster-ip-range, which the API server's certificate must contain.
_SERVICE_ADDRESS = "10.0.0.1"


class Cluster:
    """An embedded control plane.

    ``with Cluster() as cluster:`` starts it, and leaves no process or file behind. Its processes
    end even if this process is killed with SIGKILL.

    Attributes:
        directory: Data, certificates, kubeconfigs and logs.
        server: URL, ``https://127.0.0.1:PORT``.
        ca_pem: CA of the server's certificate.
        admin_kubeconfig: Path of the kubeconfig of a cluster admin.
        least_kubeconfig: Path of the kubeconfig of ``least-privilege``, a user without permissions.
        audit_log: The recorded calls of service accounts, a line of audit.k8s.io/v1 each.
        kubernetes_version: ``1.37.2``.
        kubectl_path: Path of kubectl.
    """

    def __init__(
        self,
        directory: pathlib.Path | None = None,
        *,
        runs_jobs: bool = False,
        records_calls: bool = False,
        api_server_flags: Sequence[str] = (),
        more_controllers: Sequence[str] = (),
        tell: Callable[[str], None] = print,
    ) -> None:
        """Prepare a cluster without starting it.

        Args:
            directory: Kept when the cluster stops, and reused by the next start; None for a
                temporary one, which is removed.
            runs_jobs: Whether the pods of Jobs run on a simulated node and end as their annotations
                say; owned objects and deleted namespaces are removed, too. Also starts
                kube-controller-manager and kwok: see docs/devcluster.md.
            records_calls: Whether the calls of service accounts are recorded, for ``rights``.
            api_server_flags: Additional flags of kube-apiserver.
            more_controllers: Further controllers of kube-controller-manager, by name, if it runs.
            tell: Called with each progress line.
        """
        self._given_directory = directory.absolute() if directory is not None else None
        self._runs_jobs, self._records_calls = runs_jobs, records_calls
        self._flags, self._more_controllers = tuple(api_server_flags), tuple(more_controllers)
        self._tell = tell
        self._stack, self._is_running = contextlib.ExitStack(), False
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._start_api_server: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until the API server is ready; do nothing if it is running.

        Raises:
            errors.DevclusterError: Ends with the last lines of the log and its path.
        """
        if self._is_running:
            return
        required = (*tools.NEEDED, *(tools.FOR_JOBS if self._runs_jobs else ()))
        located = binaries.find(required, tell=self._tell)
        self.kubernetes_version = str(located[tools.KUBE_APISERVER.name].version)
        self.kubectl_path = located[tools.KUBECTL.name].path
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._attempt(located)
            except _PortTakenError:
                if attempt == _ATTEMPTS:
                    raise
                self._forget_directory()
            else:
                self._is_running = True
                return

    def stop(self) -> None:
        """Stop everything, etcd last; do nothing if it is not running."""
        try:
            self._stack.close()
        finally:
            if self._is_running:
                self._is_running = False
                self._forget_directory()

    def restart_api_server(self) -> None:
        """Stop the API server, if it is running, and start it again on the same port.

        etcd keeps running, so no data is lost: like the update of a control plane.

        Raises:
            errors.StartError: It did not start.
        """
        owned_processes.stop(self._running[tools.KUBE_APISERVER.name])
        self._start_api_server()

    def rights(self, namespace: str, account: str) -> audit.Report:
        """Compare a service account's calls with its rights; needs ``records_calls``."""
        listed = self.kubectl("get", audit.RESOURCES, "--all-namespaces", "--output=json").stdout
        return audit.report(json.loads(listed)["items"], self.audit_log, namespace, account)

    def keep_logs(self, target: pathlib.Path) -> None:
        """Copy the logs to a directory that outlives the cluster."""
        target.mkdir(parents=True, exist_ok=True)
        for log in self.directory.glob("*.log"):
            shutil.copy(log, target)

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - subprocess.run's name for it
        check: bool = True,
        kubeconfig: pathlib.Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin, or with another kubeconfig.

        Raises:
            KubectlError: It failed and ``check`` is true; the message has its output.
        """
        result = subprocess.run(  # noqa: S603 - our own command
            [self.kubectl_path, *arguments],
            input=input,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBECONFIG": str(kubeconfig or self.admin_kubeconfig)},
        )
        if check and result.returncode != 0:
            raise errors.KubectlError(
                f"kubectl {' '.join(arguments)}: exit code {result.returncode}: "
                f"{result.stderr.strip()}"
            )
        return result

    def _attempt(self, located: dict[str, binaries.Binary]) -> None:
        """Start everything; on failure leave only the logs."""
        self.directory = self._given_directory or pathlib.Path(
            tempfile.mkdtemp(prefix="kubewright-")
        )
        try:
            self._start(located)
        except errors.StartError:
            self._stack.close()
            raise
        except BaseException:
            self._stack.close()
            self._forget_directory()
            raise

    def _forget_directory(self) -> None:
        if self._given_directory is None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self, located: dict[str, binaries.Binary]) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stack.enter_context(_exclusive(self.directory))
        client, peer, secure = _free_ports(3)
        files = _write_credentials(self.directory, secure)
        self.server = f"https://{HOST}:{secure}"
        self.ca_pem = files.ca.read_bytes()
        self.admin_kubeconfig, self.least_kubeconfig = files.admin, files.least
        self.audit_log = self.directory / audit.LOG
        member = f"kubewright-{secrets.token_hex(8)}"
        flags = _etcd_flags(self.directory, member, client_port=client, peer_port=peer)
        etcd = tools.ETCD.name
        running = {
            etcd: self._run(etcd, [located[etcd].path, *flags], owned_processes.GRACE_SECONDS)
        }
        self._wait(etcd, running, lambda: _is_etcd(member, client))
        name = tools.KUBE_APISERVER.name
        flags = _api_server_flags(files, etcd_port=client, secure_port=secure)
        if self._runs_jobs:
            flags += jobs.api_server_flags(located[name].version)
        if self._records_calls:
            flags += audit.flags(self.directory)

        def start_api_server() -> None:
            command: list[str | pathlib.Path] = [located[name].path, *flags, *self._flags]
            running[name] = self._run(name, command, _STATELESS_GRACE_SECONDS)
            self._wait(name, running, lambda: _is_ready(files, secure))

        start_api_server()
        self._running, self._start_api_server = running, start_api_server
        if self._runs_jobs:
            self._start_jobs(located, functools.partial(_answer, files, secure))

    def _start_jobs(
        self, located: dict[str, binaries.Binary], answer: Callable[..., bytes | None]
    ) -> None:
        manager, kwok = tools.KUBE_CONTROLLER_MANAGER.name, tools.KWOK.name
        for name, flags in (
            (manager, jobs.controller_manager_flags(self.admin_kubeconfig, self._more_controllers)),
            (kwok, jobs.kwok_flags(self.admin_kubeconfig)),
        ):
            command: list[str | pathlib.Path] = [located[name].path, *flags]
            self._running[name] = self._run(name, command, _STATELESS_GRACE_SECONDS)
        listed = json.dumps(jobs.objects(located[tools.KUBE_APISERVER.name].version))
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=listed)
        self._wait(kwok, self._running, lambda: jobs.is_node_ready(answer(jobs.NODE_PATH)))
        trial = json.dumps(jobs.TRIAL)
        self._wait(manager, self._running, lambda: jobs.is_placed(answer(jobs.TRIAL_PATH, trial)))

    def _run(
        self, name: str, command: Sequence[str | pathlib.Path], grace_seconds: float
    ) -> subprocess.Popen[str]:
        log = self._stack.enter_context(self._log(name).open("a"))
        process = owned_processes.start(
            command,
            output=log,
            grace_seconds=grace_seconds,
            scratch=None if self._given_directory else self.directory,
        )
        self._stack.callback(owned_processes.stop, process)
        return process

    def _wait(
        self,
        name: str,
        running: Mapping[str, "subprocess.Popen[str]"],
        is_ready: Callable[[], bool],
    ) -> None:
        """Wait until one is ready while all run, so that no other process' port is mistaken."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            is_done = is_ready()
            for other, process in running.items():
                if process.poll() is not None:
                    self._fail(other, f"exited with code {process.returncode}")
            if is_done:
                return
            if time.monotonic() > deadline:
                self._fail(name, f"was not ready within {READY_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _fail(self, name: str, what: str) -> None:
        text = self._log(name).read_text(errors="replace")
        last = "\n".join(text.splitlines()[-_SHOWN_LINES:])
        message = f"expected {name} to start; it {what}. Last lines of {self._log(name)}:\n{last}"
        if "address already in use" in text:
            raise _PortTakenError(message)
        raise errors.StartError(message)

    def _log(self, name: str) -> pathlib.Path:
        return self.directory / f"{name}.log"


class _PortTakenError(errors.StartError):
    """Another process took a port between its selection and its use."""


class _Files:
    """Paths of a cluster's credentials in its directory."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.ca = directory / "ca.crt"
        self.certificate = directory / "apiserver.crt"
        self.key = directory / "apiserver.key"
        self.admin_certificate = directory / "admin.crt"
        self.admin_key = directory / "admin.key"
        self.token_key = directory / "service-accounts.key"
        self.token_public_key = directory / "service-accounts.pub"
        self.admin = directory / "admin.kubeconfig"
        self.least = directory / "least.kubeconfig"
        self.scratch = directory / "apiserver"


@contextlib.contextmanager
def _exclusive(directory: pathlib.Path) -> Iterator[None]:
    with (directory / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise errors.StartError(
                f"expected {directory} to be unused, but a cluster is running there; stop it, or "
                "choose another directory"
            ) from error
        yield


def _write_credentials(directory: pathlib.Path, secure_port: int) -> _Files:
    files, now = _Files(directory), dt.datetime.now(dt.UTC)
    ca = authority.new_authority("kubewright devcluster", now=now)
    names = [HOST, "localhost", _SERVICE_ADDRESS, "kubernetes.default.svc"]
    server = authority.issue_server(ca, names, now=now)
    admin = authority.issue_client(ca, "admin", ["system:masters"], now=now)
    least = authority.issue_client(ca, "least-privilege", now=now)
    private, public = authority.new_signing_key()
    address = f"https://{HOST}:{secure_port}"
    for path, content in (
        (files.ca, ca.certificate_pem),
        (files.certificate, server.certificate_pem),
        (files.key, server.key_pem),
        (files.admin_certificate, admin.certificate_pem),
        (files.admin_key, admin.key_pem),
        (files.token_key, private),
        (files.token_public_key, public),
        (files.admin, _kubeconfig(address, ca, "admin", admin)),
        (files.least, _kubeconfig(address, ca, "least-privilege", least)),
    ):
        path.touch(mode=0o600)
        path.write_bytes(content)
    return files


def _kubeconfig(address: str, ca: authority.Pair, user: str, pair: authority.Pair) -> bytes:
    """A kubeconfig with embedded certificates; JSON is YAML too."""
    name = "kubewright"
    cluster = {"server": address, "certificate-authority-data": _b64(ca.certificate_pem)}
    credentials = {
        "client-certificate-data": _b64(pair.certificate_pem),
        "client-key-data": _b64(pair.key_pem),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return json.dumps(config, indent=2).encode()


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _etcd_flags(
    directory: pathlib.Path, member: str, *, client_port: int, peer_port: int
) -> list[str]:
    client, peer = f"http://{HOST}:{client_port}", f"http://{HOST}:{peer_port}"
    return [
        f"--name={member}",
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={member}={peer}",
        # Durability is not needed, and tests write a lot.
        "--unsafe-no-fsync",
    ]


def _api_server_flags(files: _Files, *, etcd_port: int, secure_port: int) -> list[str]:
    return [
        f"--etcd-servers=http://{HOST}:{etcd_port}",
        f"--bind-address={HOST}",
        # Otherwise it looks for a network interface and fails on a machine without network; but a
        # loopback address may not be an endpoint.
        f"--advertise-address={HOST}",
        "--endpoint-reconciler-type=none",
        f"--secure-port={secure_port}",
        f"--cert-dir={files.scratch}",
        f"--tls-cert-file={files.certificate}",
        f"--tls-private-key-file={files.key}",
        f"--client-ca-file={files.ca}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.token_public_key}",
        f"--service-account-signing-key-file={files.token_key}",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]


def _free_ports(count: int) -> list[int]:
    """Return distinct ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((HOST, 0))
        return [sock.getsockname()[1] for sock in sockets]


def _is_etcd(member: str, port: int) -> bool:
    """Return whether this cluster's etcd is ready, not another one whose data must not change."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("POST", "/v3/cluster/member/list", body="{}")
        return member.encode() in connection.getresponse().read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _is_ready(files: _Files, port: int) -> bool:
    # /readyz does not wait for the namespace that the first request probably uses.
    return all(_answer(files, port, path) for path in ("/readyz", "/api/v1/namespaces/default"))


def _answer(files: _Files, port: int, path: str, body: str | None = None) -> bytes | None:
    """Return the API server's response to the admin if successful; a body makes it a POST."""
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.admin_certificate, files.admin_key)
    connection = http.client.HTTPSConnection(HOST, port, timeout=5, context=context)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        return None
    else:
        return content if answer.status < http.client.MULTIPLE_CHOICES else None
    finally:
        connection.close()
