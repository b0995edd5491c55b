"""The pytest plugins cost nothing if their fixtures are not used."""

import subprocess
import sys

from controllers import devcluster


def test_plugin_loads_nothing_heavy_and_warns_of_nothing() -> None:
    # pytest itself has loaded what it needs.
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import controllers.devcluster.pytest_plugin, webhooks.pytest_plugin\n"
        "print(*set(sys.modules) - before)"
    )

    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    heavy = {"rich", "cryptography", "ssl", "pydantic", "controllers.devcluster.cluster"}
    assert heavy.isdisjoint(loaded)


def test_cluster_is_exported_and_nonsense_is_not() -> None:
    assert "Cluster" == devcluster.Cluster.__name__
    assert not hasattr(devcluster, "nonsense")
