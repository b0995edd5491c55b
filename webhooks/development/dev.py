"""``webhooks dev``: an API server with an Api's webhooks, reloaded on file changes. Shell."""

import contextlib
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import typer

from controllers import devcluster
from schemagen import yaml
from schemagen.problems import JSON, UserError
from webhooks.cluster import install
from webhooks.development import local_server
from webhooks.server import worker

_POLL_SECONDS: Final = 0.5
# By then an editor has finished saving several files, or one file in two steps.
_SETTLE_SECONDS: Final = 0.2
_CRD: Final = "CustomResourceDefinition"

Manifests: TypeAlias = list[JSON]
Stamps: TypeAlias = Mapping[pathlib.Path, tuple[int, int]]


def run(reference: str, directory: pathlib.Path, settings: pathlib.Path | None) -> int:
    """Run everything until Ctrl-C, reloading on changes; return 0 then.

    Raises:
        UserError: It cannot start.
    """
    stopped = threading.Event()
    # Report a broken module or broken settings before an API server is started.
    manifests_of(reference)
    if settings is not None:
        worker.read_settings(settings)
    try:
        with devcluster.Cluster(directory=directory.absolute(), tell=_say) as cluster:
            # Until here a signal ends the process as usual: there is a lot to wait for.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopped.set())
            served = _Served(cluster, reference, directory, settings)
            with contextlib.closing(served):
                _keep_current(served, stopped)
                _say("stopping")
    except devcluster.DevclusterError as error:
        raise UserError(str(error)) from error
    return 0


def _keep_current(served: "_Served", stopped: threading.Event) -> None:
    stamps = served.stamps()
    served.start()
    served.explain()
    while not stopped.wait(_POLL_SECONDS):
        if served.stamps() == stamps:
            continue
        stopped.wait(_SETTLE_SECONDS)
        before, stamps = stamps, served.stamps()
        changed = sorted({path for path, _ in set(before.items()) ^ set(stamps.items())})
        _say(f"changed: {', '.join(map(str, changed))}")
        try:
            served.start()
        except (UserError, devcluster.DevclusterError) as error:
            _say(*str(error).splitlines(), "the previous version stays in service")


class _Served:
    """The running server and its inputs.

    Args:
        cluster: The cluster that it serves.
        reference: Module and name of the Api.
        directory: Directory for certificates and logs.
        settings: The operator's settings file.
    """

    def __init__(
        self,
        cluster: devcluster.Cluster,
        reference: str,
        directory: pathlib.Path,
        settings: pathlib.Path | None,
    ) -> None:
        self._cluster, self._reference, self._settings = cluster, reference, settings
        self._directory = directory / "webhooks"
        self._installed: Manifests = []
        self._server = contextlib.ExitStack()
        options = () if settings is None else ("--settings", str(settings))
        self._options = ("--quiet", "0", "--drain", "2", *options)

    def start(self) -> None:
        """Serve the current state of the Api's files in place of the previous one.

        Raises:
            UserError: The module is broken or the API server refuses it. The previous version stays
                in service.
        """
        manifests = manifests_of(self._reference)
        self._dry_run(manifests)
        server = contextlib.ExitStack()
        with server:
            address = server.enter_context(
                local_server.webhook_server(
                    self._cluster, self._reference, self._directory, *self._options
                )
            )
            self._remove_obsolete(manifests)
            self._server.close()
            self._server = server.pop_all()
        self._installed = manifests
        _say(f"serving {self._reference} at {address}, log in {self._directory / 'webhooks.log'}")

    def close(self) -> None:
        """Stop the server."""
        self._server.close()

    def stamps(self) -> Stamps:
        """Return the stamps of the files that the Api may depend on."""
        paths = [*_sources(self._reference), *([self._settings] if self._settings else [])]
        return {path: stamp for path in paths if (stamp := _stamp(path)) is not None}

    def explain(self) -> None:
        """Print how to use it."""
        cluster = self._cluster
        names = [
            manifest["spec"]["names"] for manifest in self._installed if manifest["kind"] == _CRD
        ]
        _say(
            f"kube-apiserver {cluster.kubernetes_version} at {cluster.server}",
            "\nIn another terminal:\n",
            f"  export PATH={cluster.kubectl_path.parent}:$PATH",
            f"  export KUBECONFIG={cluster.admin_kubeconfig}",
            *(f"  kubectl get {name['plural']} -A" for name in names),
            *(f"  kubectl explain {name['plural']} --recursive" for name in names[:1]),
            "\nChanges to the module are served immediately. Ctrl-C stops it; the data is kept for "
            "the next start.",
        )

    def _dry_run(self, manifests: Manifests) -> None:
        """Check with a server-side dry run that the API server accepts the manifests."""
        self._cluster.kubectl(
            *("apply", "--server-side", "--force-conflicts"),
            *(f"--field-manager={install.FIELD_MANAGER}", "--dry-run=server", "-f", "-"),
            input="---\n".join(map(yaml.dumps, manifests)),
        )

    def _remove_obsolete(self, manifests: Manifests) -> None:
        """Delete obsolete configurations and policies; deleting a CRD would delete its objects."""
        current = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
        for manifest in self._installed:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            if (kind, name) in current:
                continue
            if kind == _CRD:
                _say(f"kept: to delete {name} and all its objects, run kubectl delete crd {name}")
            else:
                self._cluster.kubectl("delete", kind, name, "--ignore-not-found")


def manifests_of(reference: str) -> Manifests:
    """Return the manifests of the Api's files in their current state.

    They are loaded in a new process: this one imports a module only once.

    Raises:
        UserError: With the error output of that process.
    """
    # The URL is never called: the manifests are only compared and dry-run.
    command = (sys.executable, "-m", "webhooks", "manifests", reference, "--url")
    result = subprocess.run(  # noqa: S603 - our own command
        [*command, "https://localhost"], capture_output=True, text=True, check=False
    )
    if result.returncode:
        lines = (line.removeprefix("webhooks: ") for line in result.stderr.splitlines())
        raise UserError("\n".join(lines))
    return yaml.load_all(result.stdout.encode())


def _sources(reference: str) -> Iterator[pathlib.Path]:
    """The Python files below the working directory, and those of the Api's own package."""
    here = pathlib.Path.cwd()
    yield from _python_files(here)
    top = reference.partition(":")[0].partition(".")[0]
    if top in {path.stem for path in here.iterdir()}:
        return
    spec = importlib.util.find_spec(top)
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield from _python_files(pathlib.Path(location))


def _python_files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for name, folders, names in os.walk(folder):
        parent = pathlib.Path(name)
        folders[:] = [entry for entry in folders if _is_own(parent / entry)]
        yield from (parent / entry for entry in names if entry.endswith(".py"))


def _is_own(folder: pathlib.Path) -> bool:
    """Return whether a directory may hold sources: not hidden, not a virtual environment."""
    is_other = folder.name.startswith(".") or folder.name in {"__pycache__", "node_modules"}
    return not is_other and not (folder / "pyvenv.cfg").exists()


def _stamp(path: pathlib.Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(line)
