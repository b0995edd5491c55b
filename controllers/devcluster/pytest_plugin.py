"""The pytest fixtures ``api_server`` and ``job_cluster``, for tests of any Python project.

They are loaded in every pytest run where kubewright is installed, so nothing is imported until a
test uses one.
"""

import contextlib
import os
import pathlib
import shutil
import time
import typing
from collections.abc import Iterator, Sequence

import pytest

if typing.TYPE_CHECKING:
    from controllers.devcluster.cluster import Cluster


class Options(typing.TypedDict, total=False):
    """Options of a cluster."""

    runs_jobs: bool
    api_server_flags: Sequence[str]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--api-server-logs`` and ``--api-server-calls``."""
    group = parser.getgroup("kubewright")
    group.addoption(
        "--api-server-logs",
        metavar="DIR",
        default=".api-server-logs",
        help="directory for the control plane's logs if a test fails (default: %(default)s)",
    )
    group.addoption(
        "--api-server-calls",
        metavar="DIR",
        help="directory for the audit logs of the calls that service accounts made",
    )


@pytest.fixture(scope="session")
def api_server(request: pytest.FixtureRequest) -> "Iterator[Cluster]":
    """A kube-apiserver with etcd, started once per session (``controllers.devcluster``).

    It has ``server``, ``ca_pem``, ``admin_kubeconfig``, ``least_kubeconfig`` (a user without
    permissions), ``kubernetes_version``, ``kubectl(*arguments, input=None)`` and
    ``rights(namespace, account)``: the calls of a service account that were denied, and the rights
    that it has and did not use.
    """
    with running(request, "api_server") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def job_cluster(request: pytest.FixtureRequest) -> "Iterator[Cluster]":
    """Like ``api_server``, and Jobs run to completion (``Cluster(runs_jobs=True)``).

    Annotations of a pod or its namespace decide how it ends: see docs/devcluster.md.
    """
    with running(request, "job_cluster", runs_jobs=True) as cluster:
        yield cluster


@contextlib.contextmanager
def running(
    request: pytest.FixtureRequest, name: str, **options: "typing.Unpack[Options]"
) -> "Iterator[Cluster]":
    """A cluster whose logs are kept if a test fails while it runs.

    Args:
        request: The fixture's request.
        name: Name of the log directory.
        options: Of the cluster.
    """
    from controllers.devcluster import cluster  # noqa: PLC0415 - see the module's docstring

    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def tell(line: str) -> None:
        if reporter is None or capture is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"{name}: {line}")

    with cluster.Cluster(records_calls=True, tell=tell, **options) as running:
        failed_before = request.session.testsfailed
        yield running
        kept = request.config.getoption("--api-server-calls")
        if kept is not None:
            # Of many clusters, sessions and pytest-xdist workers.
            pathlib.Path(kept).mkdir(parents=True, exist_ok=True)
            shutil.copy(running.audit_log, f"{kept}/{name}-{os.getpid()}-{time.monotonic_ns()}")
        if request.session.testsfailed > failed_before:
            folder = request.config.getoption("--api-server-logs")
            # Each pytest-xdist worker has its own clusters.
            worker = os.environ.get("PYTEST_XDIST_WORKER", "")
            target = request.config.invocation_params.dir / folder / worker / name
            running.keep_logs(target)
            tell(f"logs kept in {target}")
