"""CRDs are read from every kind of reference, and what cannot be read is named."""

import contextlib
import io
import pathlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from schemagen.compat import clusters, sources
from schemagen.problems import UserError

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.example.com}}
spec:
  group: example.com
  versions:
  - name: v1
"""
WIDGETS = CRD.format(plural="widgets")
GADGETS = CRD.format(plural="gadgets")


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A working directory with three manifests, one of which is another kind's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crds" / "more").mkdir(parents=True)
    (tmp_path / "crds" / "widgets.yaml").write_text(f"# widgets\n---\n{WIDGETS}")
    (tmp_path / "crds" / "more" / "gadgets.yml").write_text(GADGETS)
    (tmp_path / "crds" / "other.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap"}')
    (tmp_path / "crds" / "notes.txt").write_text("no manifest: [")
    return tmp_path


def git(*arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", *names, *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def repository(folder: pathlib.Path) -> pathlib.Path:
    """The same, committed; the working tree has other CRDs since."""
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    (folder / "crds" / "widgets.yaml").write_text(CRD.format(plural="things"))
    return folder


def names(found: sources.Sources) -> list[str]:
    return [definition.name for definition in found.definitions]


def where(found: sources.Sources) -> list[str]:
    return [definition.source for definition in found.definitions]


# --------------------------------------------------------------------------------------- references


@pytest.mark.usefixtures("folder")
def test_file_is_read_with_its_lines() -> None:
    found = sources.read("crds/widgets.yaml")

    (widgets,) = found.definitions
    assert ("widgets.example.com", "crds/widgets.yaml") == (widgets.name, widgets.source)
    assert (5, 9) == (widgets.line_of("metadata.name"), widgets.line_of("spec.versions[0].name"))


@pytest.mark.usefixtures("folder")
def test_directory_is_searched_for_manifests() -> None:
    found = sources.read("crds")

    assert ["crds/more/gadgets.yml", "crds/widgets.yaml"] == where(found)
    assert () == found.problems


@pytest.mark.parametrize("pattern", ["crds/*.yaml", "**/widgets.*", "cr[d]s/w*"])
@pytest.mark.usefixtures("folder")
def test_pattern_names_files(pattern: str) -> None:
    assert ["widgets.example.com"] == names(sources.read(pattern))


def test_absolute_pattern_names_files_and_directories(folder: pathlib.Path) -> None:
    assert ["gadgets.example.com"] == names(sources.read(f"{folder}/crds/m*"))


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.TextIOWrapper(io.BytesIO(f"{WIDGETS}---\n{GADGETS}".encode()))
    monkeypatch.setattr(sys, "stdin", text)

    found = sources.read("-")

    assert ["widgets.example.com", "gadgets.example.com"] == names(found)
    assert ["standard input"] * 2 == where(found)


@pytest.mark.usefixtures("folder")
def test_items_of_a_list_are_read() -> None:
    item = WIDGETS.replace("\n", "\n  ").rstrip()
    pathlib.Path("list.yaml").write_text(f"apiVersion: v1\nkind: List\nitems:\n- {item}\n")

    assert ["widgets.example.com"] == names(sources.read("list.yaml"))


def test_api_has_the_crds_that_it_generates() -> None:
    found = sources.read("crds:api")

    assert {"agentruns.agents.proompteng.ai"} <= {*names(found)}
    runs = next(item for item in found.definitions if item.name.startswith("agentruns."))
    assert runs.source.endswith(".py")
    assert 0 < runs.line_of("spec.versions[0]")


@pytest.mark.usefixtures("folder")
def test_file_named_like_an_api_is_a_file() -> None:
    pathlib.Path("crds:api").write_text(WIDGETS)

    assert ["crds:api"] == where(sources.read("crds:api"))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("HEAD:crds/widgets.yaml", ["widgets.example.com"]),
        ("HEAD:crds", ["gadgets.example.com", "widgets.example.com"]),
        ("HEAD:", ["gadgets.example.com", "widgets.example.com"]),
        ("git:HEAD:crds/more", ["gadgets.example.com"]),
        ("WORKTREE:crds/widgets.yaml", ["things.example.com"]),
        ("WORKTREE:", ["gadgets.example.com", "things.example.com"]),
    ],
)
@pytest.mark.usefixtures("repository")
def test_revision_and_working_tree_differ(reference: str, expected: list[str]) -> None:
    found = sources.read(reference)

    assert expected == names(found)
    if reference.startswith("HEAD:crds/"):
        assert [reference] == where(found)


def test_path_of_a_revision_is_relative_to_the_working_directory(
    repository: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "crds")

    assert ["gadgets.example.com"] == names(sources.read("HEAD:more/gadgets.yml"))


@pytest.mark.usefixtures("folder")
def test_references_are_read_in_order() -> None:
    found = sources.read_all("crds/widgets.yaml", "crds/more")

    assert ["widgets.example.com", "gadgets.example.com"] == [item.name for item in found]
    assert ["widgets.example.com", "gadgets.example.com"] == [*sources.by_name(found)]


# ------------------------------------------------------------------------------------------ cluster


class Pages:
    """A cluster with two CRDs, a page each."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []

    async def get(self, path: str, **query: str) -> Any:
        assert path.endswith("/customresourcedefinitions")
        self.queries.append(query)
        plural = "gadgets" if "continue" in query else "widgets"
        item = {"metadata": {"name": f"{plural}.example.com"}, "spec": {"versions": []}}
        return {"metadata": {} if "continue" in query else {"continue": "next"}, "items": [item]}


@pytest.mark.parametrize("reference", ["cluster:", "cluster:kind-a"])
def test_cluster_is_listed_page_by_page(monkeypatch: pytest.MonkeyPatch, reference: str) -> None:
    pages, contexts = Pages(), []

    @contextlib.asynccontextmanager
    async def opened(context: str | None, path: object = None) -> AsyncIterator[Pages]:
        del path
        contexts.append(context)
        yield pages

    monkeypatch.setattr("schemagen.differential.servers.opener", lambda *_: opened)

    found = sources.read(reference)

    assert ["widgets.example.com", "gadgets.example.com"] == names(found)
    assert [reference] * 2 == where(found)
    assert [reference.partition(":")[2] or None] == contexts
    assert [{"limit": "100"}, {"limit": "100", "continue": "next"}] == pages.queries
    assert sources.KIND == found.definitions[0].value["kind"]


def test_cluster_that_cannot_be_read_is_named(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        'clusters: [{name: here, cluster: {server: "http://127.0.0.1:9"}}]\n'
        "users: [{name: me, user: {token: abc}}]\n"
        "contexts: [{name: here, context: {cluster: here, user: me}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    with pytest.raises(clusters.ClusterError, match="cluster of context nowhere, got"):
        sources.read("cluster:nowhere")
    with pytest.raises(clusters.ClusterError, match="cluster of context here, got"):
        sources.read("cluster:here")


# ------------------------------------------------------------------------------------------- errors


def problem(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        act()
    return f"{caught.value.source}{caught.value}"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            "nowhere",
            (
                "expected a file, directory, MODULE:API, git REV:PATH or cluster:CONTEXT, got "
                "'nowhere', which is none that exists"
            ),
        ),
        (
            "crds/other.json",
            "expected a CustomResourceDefinition in crds/other.json, got ConfigMap",
        ),
        ("WORKTREE:gone", "expected a file or directory gone in the working tree, got none"),
        ("HEAD:gone", "expected a file or directory gone in HEAD, got none"),
        (":crds", "expected a git revision before the colon, got ':crds'"),
        ("--x:crds", "expected a git revision before the colon, got '--x:crds'"),
        (
            "gone:crds",
            (
                "expected `git rev-parse --verify --quiet gone^{commit}` to succeed, got: it names "
                "no commit"
            ),
        ),
        ("json:dumps", "expected a schemagen.Api at json:dumps, got function"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_reference_that_names_nothing_is_refused(reference: str, message: str) -> None:
    assert message == problem(lambda: sources.read(reference))


@pytest.mark.usefixtures("repository")
def test_git_is_expected_for_a_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    expected = "expected git on PATH to read a revision, got none"
    assert expected == problem(lambda: sources.read("HEAD:crds"))


def test_repository_is_expected_for_a_revision(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))

    refusal = problem(lambda: sources.read("HEAD:"))

    assert re.search("to succeed, got: .*not a git repository", refusal)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            WIDGETS.replace("/v1\n", "/v1beta1\n", 1),
            (
                "x.yaml:1: expected a CustomResourceDefinition of apiextensions.k8s.io/v1, got "
                "'apiextensions.k8s.io/v1beta1'; convert it first"
            ),
        ),
        (
            WIDGETS.replace("{name: widgets.example.com}", "{}"),
            "x.yaml:1: expected a metadata.name",
        ),
        (
            WIDGETS.replace("{name: widgets.example.com}", "[]"),
            "x.yaml:1: expected a metadata.name",
        ),
        (WIDGETS.partition("spec:")[0], "x.yaml:1: expected a list in spec.versions"),
        (
            WIDGETS.partition("  versions:")[0] + "  versions: {}\n",
            "x.yaml:1: expected a list in spec.versions",
        ),
        (
            WIDGETS.replace("name: v1\n", "name: 1\n"),
            "x.yaml:1: expected an object with a name in spec.versions[0]",
        ),
        (WIDGETS + "  - v2\n", "x.yaml:1: expected an object with a name in spec.versions[1]"),
        ("a: [", "x.yaml:2: expected YAML: did not find expected node content"),
        ("- a\n", "x.yaml:1: expected an object with apiVersion and kind, got a list"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_unusable_file_is_named_and_the_rest_is_read(text: str, message: str) -> None:
    pathlib.Path("x.yaml").write_text(text)

    found = sources.read(".")

    assert (message,) == found.problems
    assert ["gadgets.example.com", "widgets.example.com"] == names(found)
    assert message == problem(lambda: sources.read_all("."))


@pytest.mark.usefixtures("folder")
def test_dangling_links_and_directories_are_no_manifests() -> None:
    pathlib.Path("x.yaml").symlink_to("y.yaml")
    pathlib.Path("y.yaml").symlink_to("gone.yaml")
    pathlib.Path("crds/z.yaml").mkdir()

    found = sources.read(".")

    assert () == found.problems
    assert ["gadgets.example.com", "widgets.example.com"] == names(found)


@pytest.mark.usefixtures("folder")
def test_two_crds_of_one_name_are_refused() -> None:
    pathlib.Path("crds/again.yaml").write_text(WIDGETS)

    assert (
        "expected each CRD once, got widgets.example.com in crds/again.yaml and in "
        "crds/widgets.yaml"
    ) == problem(lambda: sources.by_name(sources.read_all("crds")))
