"""A command's namespace, and the directory of local workspaces."""

import json
import pathlib
from typing import Any

import pytest

from controllers.agentctl import session
from controllers.agentctl.run.logs import workspace_logs
from controllers.runs import naming, projections

NOTED = [{"name": "agentctl", "extension": {"workspaces": "/w"}}]


@pytest.fixture(autouse=True)
def _outside_of_pods(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def kubeconfig(folder: pathlib.Path, **contexts: Any) -> pathlib.Path:
    path = folder / "config"
    listed = [{"name": name, "context": said} for name, said in contexts.items()]
    path.write_text(json.dumps({"current-context": "here", "contexts": listed}))
    return path


@pytest.mark.parametrize(
    ("context", "given", "expected"),
    [
        ("", "", "team-a"),
        ("", "mine", "mine"),
        ("there", "", "agents"),
        ("nowhere", "", "agents"),  # of which the client complains
    ],
)
def test_namespace_is_the_one_given_or_the_contexts(
    tmp_path: pathlib.Path, context: str, given: str, expected: str
) -> None:
    path = kubeconfig(tmp_path, here={"namespace": "team-a"}, there={})

    assert expected == session.Cluster(path, context).namespace(given)


@pytest.mark.parametrize("text", ["{", "[]", "contexts: 7", "contexts: [{name: here}]", ""])
def test_kubeconfig_that_is_none_leaves_the_default(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    cluster = session.Cluster(path)

    assert ("agents", None) == (cluster.namespace(""), cluster.workspaces())


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (NOTED, pathlib.Path("/w")),
        ([], None),
        ([{"name": "agentctl", "extension": "/w"}], None),
        ([{"name": "agentctl", "extension": {"workspaces": 7}}], None),
        (None, None),
    ],
)
def test_folder_of_workspaces_is_the_one_that_the_context_notes(
    tmp_path: pathlib.Path, extensions: Any, expected: pathlib.Path | None
) -> None:
    path = kubeconfig(tmp_path, here={"extensions": extensions})

    assert expected == session.Cluster(path).workspaces()


def test_runs_of_this_machine_are_found_where_the_controller_keeps_them_by_default(
    tmp_path: pathlib.Path,
) -> None:
    metadata = {"namespace": "agents", "name": "r", "uid": "u"}
    run = projections.of(
        projections.Run, {"metadata": metadata, "spec": {}, "status": {"attempt": 2}}
    )
    before = workspace_logs.workspaces_of(run, None)
    root = tmp_path / "state/kubewright/workspaces"
    (root / "agents" / naming.of_key("u/2") / "workspace").mkdir(parents=True)

    found = workspace_logs.workspaces_of(run, None)

    assert ([], [root / "agents" / naming.of_key("u/2") / "workspace"]) == (before, found)
    assert root == workspace_logs.folder_of(run, None)
