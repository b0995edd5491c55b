"""The pytest fixtures ``api_server`` and ``job_cluster``, for the tests of any Python project.

They are loaded in every pytest run where kubewright is installed, so this imports nothing before
a test asks for one.
"""

import contextlib
import os
import typing
from collections.abc import Iterator

import pytest

if typing.TYPE_CHECKING:
    from controllers.devcluster.cluster import Cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--api-server-logs``."""
    parser.getgroup("kubewright").addoption(
        "--api-server-logs",
        metavar="DIR",
        default=".api-server-logs",
        help="where the control plane's logs are kept if a test failed (default: %(default)s)",
    )


@pytest.fixture(scope="session")
def api_server(request: pytest.FixtureRequest) -> "Iterator[Cluster]":
    """A kube-apiserver with its etcd, started once per session (``controllers.devcluster``).

    It has ``server``, ``ca_pem``, ``admin_kubeconfig``, ``least_kubeconfig`` (a user without any
    right), ``kubernetes_version`` and ``kubectl(*arguments, input=None)``.
    """
    with running(request, "api_server") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def job_cluster(request: pytest.FixtureRequest) -> "Iterator[Cluster]":
    """What ``api_server`` is, and Jobs run to their end (``Cluster(runs_jobs=True)``).

    Annotations of a pod, or else of its namespace, say how it ends: see docs/devcluster.md.
    """
    with running(request, "job_cluster", runs_jobs=True) as cluster:
        yield cluster


@contextlib.contextmanager
def running(
    request: pytest.FixtureRequest, name: str, *, runs_jobs: bool = False
) -> "Iterator[Cluster]":
    """A cluster whose logs are kept if a test fails while it runs.

    Args:
        request: That of the fixture.
        name: What the logs are called.
        runs_jobs: Whether Jobs run to their end.
    """
    from controllers.devcluster import cluster  # noqa: PLC0415 - see the module's docstring

    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def tell(line: str) -> None:
        if reporter is None or capture is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"{name}: {line}")

    with cluster.Cluster(runs_jobs=runs_jobs, tell=tell) as running:
        failed_before = request.session.testsfailed
        yield running
        if request.session.testsfailed > failed_before:
            folder = request.config.getoption("--api-server-logs")
            # Each worker of pytest-xdist has clusters of its own.
            worker = os.environ.get("PYTEST_XDIST_WORKER", "")
            target = request.config.invocation_params.dir / folder / worker / name
            running.keep_logs(target)
            tell(f"its logs are kept in {target}")
