"""The status has the fields of the published API, whatever could be read."""

import json

import pytest

from controllers.agentctl.diagnose.reading import reader
from controllers.agentctl.status import model, status
from controllers.agentctl.status.model import State
from crds import hub
from schemagen import yaml

OPTIONS = reader.Options(
    mode="installed", home="agents", namespace=None, deadline_seconds=1, parts=model.PARTS
)
# Of the published API: GetControlPlaneStatus.
FIELDS = {
    "controllers": {
        *("name", "enabled", "started", "crds_ready", "missing_crds", "last_checked_at"),
        *("status", "message"),
    },
    "runtime_adapters": {"name", "available", "status", "message", "endpoint"},
    "database": {"configured", "connected", "status", "message", "latency_ms"},
    "grpc": {"enabled", "address", "status", "message"},
    "namespaces": {"namespace", "status", "degraded_components"},
}


@pytest.fixture(scope="module")
def unknown() -> model.ControlPlaneStatus:
    return model.of(reader.unreachable(OPTIONS, "connection refused"))


def test_fields_are_those_of_the_published_api(unknown: model.ControlPlaneStatus) -> None:
    fields = status.as_json(unknown)

    assert {"service", "generated_at", *FIELDS} <= fields.keys()
    for name, expected in FIELDS.items():
        part = fields[name] if isinstance(fields[name], dict) else fields[name][0]
        assert expected == part.keys(), name
    assert ["workflow", "job", "temporal", "custom"] == [
        adapter["name"] for adapter in fields["runtime_adapters"]
    ]


def test_adapters_are_those_of_every_runtime(unknown: model.ControlPlaneStatus) -> None:
    names = {adapter.name for adapter in unknown.runtime_adapters}

    assert {runtime.lower() for runtime in hub.agentrun.RuntimeType} == names


def test_api_server_that_is_down_makes_every_judged_state_unknown(
    unknown: model.ControlPlaneStatus,
) -> None:
    states = {name: state for name, _, state, _ in unknown.components()}

    assert State.UNKNOWN is unknown.state
    assert {"database", "grpc"} == {
        name for name, state in states.items() if state is not State.UNKNOWN
    }
    assert "connection refused" in unknown.leader_election.message
    assert not unknown.controllers[0].started
    assert () == unknown.controllers[0].missing_crds


def test_formats_have_the_same_content(unknown: model.ControlPlaneStatus) -> None:
    fields = json.loads(status.text(unknown, "json"))
    line = status.text(unknown, "ndjson")
    (document,) = yaml.load_all(status.text(unknown, "yaml").encode())

    assert fields == json.loads(line) == document
    assert "\n" not in line
    for name, _, state, _ in unknown.components():
        assert f"{name} " in status.text(unknown, "table")
        assert str(state) in status.text(unknown, "table")
