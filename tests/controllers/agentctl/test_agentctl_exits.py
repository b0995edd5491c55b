"""Exit codes, error output, and parsing and formatting of times."""

from typing import Any

import pytest

from controllers import kube
from controllers.agentctl import durations, exits, kind_names, tables
from controllers.agentctl.exits import CommandError, Exit
from controllers.kube import errors


def refused(code: int, message: str = "no", **details: Any) -> kube.ApiError:
    return errors.from_status({"code": code, "message": message, "details": details})


WEBHOOK = 'admission webhook "validate.x" denied the request: no such secret'
POLICY = "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError("wrong"), Exit.WRONG),
        (CommandError("late", Exit.TIMEOUT), Exit.TIMEOUT),
        (refused(422), Exit.WRONG),
        (refused(409), Exit.WRONG),
        (refused(400), Exit.WRONG),
        (kube.AddressError("no such name"), Exit.WRONG),
        (refused(403, WEBHOOK), Exit.WRONG),
        (refused(403, POLICY), Exit.WRONG),
        (refused(403, "User may not"), Exit.API),
        (refused(401), Exit.API),
        (refused(404), Exit.API),
        (refused(500), Exit.API),
        (kube.UnreachableError("nobody"), Exit.API),
        (kube.ConfigurationError("no kubeconfig"), Exit.API),
    ],
    ids=str,
)
def test_code_of(error: Exception, code: Exit) -> None:
    assert code == exits.code_of(error)


def test_causes_are_said_line_by_line_and_not_twice() -> None:
    causes = [
        {"field": "spec.a", "message": "Required value"},
        {"field": "spec.b", "message": "Invalid value: 3"},
    ]
    message = 'AgentRun "x" is invalid: [spec.a: Required value, spec.b: Invalid value: 3]'

    found = [*exits.lines_of(refused(422, message, causes=causes))]

    assert [
        'AgentRun "x" is invalid',
        "  spec.a: Required value",
        "  spec.b: Invalid value: 3",
    ] == found


def test_error_without_causes_is_one_line() -> None:
    assert ["no"] == [*exits.lines_of(refused(500, "no", name="x"))]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("45s", 45.0), ("1h30m", 5400.0), ("2m5s", 125.0)]
)
def test_time_is_read(text: str, seconds: float) -> None:
    assert seconds == durations.seconds(text, "--timeout")


@pytest.mark.parametrize("text", ["", "0", "0s", "soon", "-5", "1.5", "5x", "٣"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="expected a time such as 45s or 1h30m for --timeout"):
        durations.seconds(text, "--timeout")


def test_timeout_needs_something_to_wait_for() -> None:
    assert durations.timeout("", waits=False) is None
    assert 5.0 == durations.timeout("5s", waits=True)
    with pytest.raises(CommandError, match="together with --wait"):
        durations.timeout("5s", waits=False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (610, "10m"),
        (7200, "2h"),
        (9000, "2h30m"),
        (29000, "8h"),
        (172800, "2d"),
        (9e6, "104d"),
    ],
)
def test_span_is_said_as_kubectl_says_an_age(seconds: float, text: str) -> None:
    assert text == durations.span(seconds)


# ------------------------------------------------------------------------------ kinds and tables


@pytest.mark.parametrize(
    ("plural", "words"),
    [
        ("agentruns", "run runs agentrun agentruns arun AgentRun"),
        ("agents", "agent agents agt"),
        ("agentproviders", "provider providers agentprovider agentproviders aprov"),
        ("implementationspecs", "impl impls implementation implementations spec specs"),
        ("implementationspecs", "implementationspec implementationspecs ImplementationSpec"),
        (
            "implementationsources",
            "source sources implementationsource implementationsources implsrc",
        ),
        ("memories", "memory memories mem"),
        ("versioncontrolproviders", "vcs versioncontrolprovider versioncontrolproviders"),
    ],
)
def test_every_word_of_upstream_names_its_kind(plural: str, words: str) -> None:
    assert {plural} == {kind_names.resource(word).plural for word in words.split()}


def test_word_that_names_no_kind_is_refused_with_those_that_do() -> None:
    with pytest.raises(CommandError, match=r"expected runs, agents, .*\bvcs\b.*, got 'pods'"):
        kind_names.resource("pods")


TABLE = {
    "columnDefinitions": [
        {"name": "Name", "priority": 0},
        {"name": "Phase", "priority": 0},
        {"name": "Reason", "priority": 1},
    ],
    "rows": [
        {"cells": ["fix", "Running", "Why"], "object": {"metadata": {"namespace": "team"}}},
        {"cells": ["longer", None, True], "object": {"metadata": {"namespace": "b"}}},
    ],
}


def test_table_has_the_columns_of_the_api_server() -> None:
    found = tables.shown([TABLE], is_wide=False, with_namespace=False)

    assert "NAME     PHASE\nfix      Running\nlonger   <none>" == found


def test_wide_table_of_all_namespaces_has_more_columns() -> None:
    found = tables.shown([TABLE, TABLE], is_wide=True, with_namespace=True).splitlines()

    assert "NAMESPACE   NAME     PHASE     REASON" == found[0]
    assert "team        fix      Running   Why" == found[1]
    assert "b           longer   <none>    true" == found[4]


def test_table_without_rows_is_empty() -> None:
    found = tables.shown([{**TABLE, "rows": None}], is_wide=False, with_namespace=False)

    assert "" == found
