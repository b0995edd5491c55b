"""``webhooks dev``: an API server and an Api's webhooks, anew whenever its files change. Shell."""

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
from webhooks import install, local_server, worker

_LOOK_SECONDS: Final = 0.5
# An editor that saves many files, or a file in two steps, is done by then.
_SETTLE_SECONDS: Final = 0.2
_CRD: Final = "CustomResourceDefinition"

Manifests: TypeAlias = list[JSON]
Stamps: TypeAlias = Mapping[pathlib.Path, tuple[int, int]]


def run(reference: str, directory: pathlib.Path, settings: pathlib.Path | None) -> int:
    """Keep everything up, and current, until Ctrl-C; 0 then.

    Raises:
        UserError: if it does not start.
    """
    stopped = threading.Event()
    # A module or settings that are broken now need no API server to be told of it.
    manifests_of(reference)
    if settings is not None:
        worker.read_settings(settings)
    try:
        with devcluster.Cluster(directory=directory.absolute(), tell=_say) as cluster:
            # Until here a signal ends it as it does any command: there is a lot to wait for.
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
    seen = served.stamps()
    served.start()
    served.explain()
    while not stopped.wait(_LOOK_SECONDS):
        if served.stamps() == seen:
            continue
        stopped.wait(_SETTLE_SECONDS)
        before, seen = seen, served.stamps()
        changed = sorted({path for path, _ in set(before.items()) ^ set(seen.items())})
        _say(f"changed: {', '.join(map(str, changed))}")
        try:
            served.start()
        except (UserError, devcluster.DevclusterError) as error:
            _say(*str(error).splitlines(), "what was served before is served still")


class _Served:
    """The server that runs, and what it is made of.

    Args:
        cluster: Beside which it runs.
        reference: Where the Api is.
        directory: For certificates and logs.
        settings: The operator's file.
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
        given = () if settings is None else ("--settings", str(settings))
        self._options = ("--quiet", "0", "--drain", "2", *given)

    def start(self) -> None:
        """Serve the Api as its files have it now, in place of what was served.

        Raises:
            UserError: if the module is broken, or the API server refuses what it says. What was
                served before goes on.
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
            self._remove_what_is_gone(manifests)
            self._server.close()
            self._server = server.pop_all()
        self._installed = manifests
        _say(f"serving {self._reference} at {address}, log in {self._directory / 'webhooks.log'}")

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def stamps(self) -> Stamps:
        """What changes when a file does that the Api may be made of."""
        paths = [*_sources(self._reference), *([self._settings] if self._settings else [])]
        return {path: stamp for path in paths if (stamp := _stamp(path)) is not None}

    def explain(self) -> None:
        """Say how to use it."""
        cluster = self._cluster
        names = [one["spec"]["names"] for one in self._installed if one["kind"] == _CRD]
        _say(
            f"kube-apiserver {cluster.kubernetes_version} at {cluster.server}",
            "\nIn another terminal:\n",
            f"  export PATH={cluster.kubectl_path.parent}:$PATH",
            f"  export KUBECONFIG={cluster.admin_kubeconfig}",
            *(f"  kubectl get {one['plural']} -A" for one in names),
            *(f"  kubectl explain {one['plural']} --recursive" for one in names[:1]),
            "\nA change of the module is served at once. Ctrl-C stops it; the data stays for the "
            "next time.",
        )

    def _dry_run(self, manifests: Manifests) -> None:
        """Ask the API server whether it takes what would be installed."""
        self._cluster.kubectl(
            *("apply", "--server-side", "--force-conflicts"),
            *(f"--field-manager={install.FIELD_MANAGER}", "--dry-run=server", "-f", "-"),
            input="---\n".join(map(yaml.dumps, manifests)),
        )

    def _remove_what_is_gone(self, manifests: Manifests) -> None:
        """Delete configurations and policies that the Api has no more; a CRD would take objects."""
        current = {(one["kind"], one["metadata"]["name"]) for one in manifests}
        for one in self._installed:
            kind, name = one["kind"], one["metadata"]["name"]
            if (kind, name) in current:
                continue
            if kind == _CRD:
                _say(f"left: kubectl delete crd {name} deletes it, with its objects")
            else:
                self._cluster.kubectl("delete", kind, name, "--ignore-not-found")


def manifests_of(reference: str) -> Manifests:
    """What makes a cluster call a server of the Api, as its files have it now.

    Another process reads them: this one has read a module once and for all.

    Raises:
        UserError: in the words of that process.
    """
    # Only to see what would be installed: nobody is called there.
    command = (sys.executable, "-m", "webhooks", "manifests", reference, "--url")
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "https://localhost"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (line.removeprefix("webhooks: ") for line in done.stderr.splitlines())
        raise UserError("\n".join(lines))
    return yaml.load_all(done.stdout.encode())


def _sources(reference: str) -> Iterator[pathlib.Path]:
    """The Python files below the working directory, and those of the Api's own package."""
    here = pathlib.Path.cwd()
    yield from _python_files(here)
    top = reference.partition(":")[0].partition(".")[0]
    if top in {path.stem for path in here.iterdir()}:
        return
    found = importlib.util.find_spec(top)
    for location in (found.submodule_search_locations or ()) if found is not None else ():
        yield from _python_files(pathlib.Path(location))


def _python_files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for name, folders, names in os.walk(folder):
        parent = pathlib.Path(name)
        folders[:] = [one for one in folders if _is_own(parent / one)]
        yield from (parent / one for one in names if one.endswith(".py"))


def _is_own(folder: pathlib.Path) -> bool:
    """Whether it may hold the user's sources: no hidden folder, no virtual environment."""
    is_other = folder.name.startswith(".") or folder.name in {"__pycache__", "node_modules"}
    return not is_other and not (folder / "pyvenv.cfg").exists()


def _stamp(path: pathlib.Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(line)
