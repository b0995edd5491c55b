"""The options of the controller are checked before anything is started."""

import pathlib
from typing import Any

import pytest

from controllers import kube, ledger
from controllers.agentctl.controller import checked_options
from controllers.agentctl.controller.controller_options import ControllerOptions
from controllers.agentctl.exits import CommandError
from controllers.sources.repair import github_reader
from crds.admission.settings import Settings

WORKSPACES = pathlib.Path("/workspaces")


def test_manager_has_the_options_of_the_command_line() -> None:
    given = ControllerOptions(
        namespace="team",
        limit_namespace=1,
        limit_agent=2,
        limit_cluster=3,
        lease_seconds=9,
        renew_seconds=6,
        retry_seconds=1,
        workers=4,
        no_archive=True,
    )

    options = checked_options.manager_options(given, Settings)

    assert ("agents", "team", 4) == (options.home, options.namespace, options.workers)
    assert ledger.Limits(namespace=1, agent=2, cluster=3) == options.limits
    assert kube.Timing(9, 6, 1) == options.timing
    assert (None, True) == (options.archive, options.no_archive)


def test_all_namespaces_are_the_default() -> None:
    assert checked_options.manager_options(ControllerOptions(), Settings).namespace is None


def test_api_of_github_is_the_public_one_by_default() -> None:
    assert ControllerOptions().github_api == github_reader.PUBLIC_API


def test_issues_are_ingested_with_a_port_for_deliveries() -> None:
    with_port = checked_options.manager_options(ControllerOptions(sources_port=0), Settings)

    assert with_port.ingests
    assert not checked_options.manager_options(ControllerOptions(), Settings).ingests


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"limit_cluster": 0}, "expected a cluster limit of 1 to 5000 runs, got 0"),
        ({"renew_seconds": 20.0}, "expected 0 < retry < renew < lease"),
    ],
)
def test_invalid_option_is_an_error_of_the_command(given: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        checked_options.manager_options(ControllerOptions(**given), Settings)


def test_runtimes_have_the_options_of_the_command_line_and_the_operators_file() -> None:
    given = ControllerOptions(runtime="local", allow_endpoint=["10.0.0.0/8"], temporal="t:7233")

    options = checked_options.runtime_options(given, WORKSPACES, {"namespace": "agents"})

    assert ("local", WORKSPACES) == (options.jobs, options.workspaces)
    assert (("10.0.0.0/8",), "t:7233") == (options.endpoints, options.temporal)
    assert "agents" == options.temporal_settings.namespace


def test_invalid_settings_of_temporal_are_an_error_of_the_command() -> None:
    with pytest.raises(CommandError, match="nonsense"):
        checked_options.runtime_options(ControllerOptions(), WORKSPACES, {"nonsense": 1})
