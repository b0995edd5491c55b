"""The pytest fixture ``api_server``: a real API server for the tests of any Python project.

It is loaded in every pytest run where kubewright is installed, so it imports nothing before a
test asks for the fixture.
"""

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
    from controllers.devcluster import cluster  # noqa: PLC0415 - see the module's docstring

    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def tell(line: str) -> None:
        if reporter is None or capture is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"api_server: {line}")

    with cluster.Cluster(tell=tell) as running:
        failed_before = request.session.testsfailed
        yield running
        if request.session.testsfailed > failed_before:
            folder = request.config.getoption("--api-server-logs")
            # Each worker of pytest-xdist has a cluster of its own.
            worker = os.environ.get("PYTEST_XDIST_WORKER", "")
            target = request.config.invocation_params.dir / folder / worker
            running.keep_logs(target)
            tell(f"logs of kube-apiserver and etcd are kept in {target}")
