"""``schemagen import`` as a user runs it: outputs, refusals, exit codes."""

import functools
import pathlib
from collections.abc import Callable
from typing import TypeAlias

import pytest

from schemagen import yaml
from schemagen.problems import JSON, UserError
from tests.support.forked_commands import Commands, Outcome
from webhooks.commands import options

Command: TypeAlias = Callable[..., Outcome]

ROOT = pathlib.Path(__file__).parents[3]
GADGETS = ROOT / "tests/data/import/gadgets.yaml"


@pytest.fixture
def command(commands: Commands) -> Command:
    return functools.partial(commands.run, "schemagen", "import", cwd=ROOT)


def gadgets() -> JSON:
    return yaml.load(GADGETS.read_bytes())


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "gadgets.yaml").write_bytes(GADGETS.read_bytes())
    return tmp_path


def test_module_is_written_to_standard_output(command: Command) -> None:
    done = command(str(GADGETS))

    assert (GADGETS.with_suffix(".txt").read_text(), "", 0) == (
        done.out,
        done.err,
        done.code,
    )


def test_package_is_written_and_generates_the_crd(command: Command, folder: pathlib.Path) -> None:
    done = command("gadgets.yaml", "--out", "models", "--verify", cwd=folder)

    assert "gadgets.example.com: the same\n" == done.err
    written = ["v1", "v1beta1", "__init__"]
    assert "".join(f"wrote models/{name}.py\n" for name in written) == done.out
    again = command("models:api", "--verify", cwd=folder)
    assert ("gadgets.example.com: the same\n", 0) == (again.err, again.code)


def test_file_is_only_overwritten_on_demand(command: Command, folder: pathlib.Path) -> None:
    (folder / "models.py").write_text("mine")

    refused = command("gadgets.yaml", "--out", "models.py", cwd=folder)
    left = (folder / "models.py").read_text()
    forced = command("gadgets.yaml", "--out", "models.py", "--force", cwd=folder)

    assert ("mine", 2) == (left, refused.code)
    assert (
        "schemagen: expected no file yet at models.py; give --force to overwrite\n"
    ) == refused.err
    assert ("wrote models.py\n", 0) == (forced.out, forced.code)
    assert GADGETS.with_suffix(".txt").read_text() == (folder / "models.py").read_text()


def test_verification_names_what_is_lost_and_writes_nothing(
    command: Command, folder: pathlib.Path
) -> None:
    crd = gadgets()
    crd["spec"]["versions"][0]["colour"] = "red"
    (folder / "gadgets.yaml").write_text(yaml.dumps(crd))

    done = command("gadgets.yaml", "--out", "models.py", "--verify", cwd=folder)

    assert (
        "gadgets.example.com: spec.versions[v1].colour: expected 'red', got nothing\n",
        1,
    ) == (done.err, done.code)
    assert not (folder / "models.py").exists()


def test_groups_have_packages_of_their_own(command: Command, folder: pathlib.Path) -> None:
    other = gadgets()
    other["metadata"]["name"] = "gadgets.other-example.com"
    other["spec"]["group"] = "other-example.com"
    (folder / "others.yaml").write_text(yaml.dumps(other))

    refused = command("gadgets.yaml", "others.yaml", cwd=folder)
    done = command("gadgets.yaml", "others.yaml", "--out", "models", cwd=folder)

    message = (
        "schemagen: expected CRDs of one API group for one module, got example.com, "
        "other-example.com; name a directory with --out, for a package of each\n"
    )
    assert (message, 2) == (refused.err, refused.code)
    assert ["example_com", "other_example_com"] == sorted(
        path.name for path in (folder / "models").iterdir()
    )
    assert 0 == done.code


BETA = "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n"
REFUSED = (
    "schemagen: gadgets.yaml: gadgets.example.com: spec.names.plural: Required value\n"
    "schemagen: expected CRDs that the API server accepts; correct them first\n"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "schemagen: expected a CustomResourceDefinition in crd.yaml, got none\n"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}",
            "schemagen: expected a CustomResourceDefinition in crd.yaml, got Pod a\n",
        ),
        (
            BETA,
            (
                "schemagen: crd.yaml:1: expected a CustomResourceDefinition of "
                "apiextensions.k8s.io/v1, got 'apiextensions.k8s.io/v1beta1'; convert it first\n"
            ),
        ),
        ("a: [", "schemagen: crd.yaml:2: expected YAML: "),
        ("[1]", "schemagen: crd.yaml:1: expected an object with apiVersion and kind, got a list\n"),
    ],
)
def test_what_is_no_crd_is_refused(
    command: Command, tmp_path: pathlib.Path, content: str, message: str
) -> None:
    (tmp_path / "crd.yaml").write_text(content)

    done = command("crd.yaml", cwd=tmp_path)

    assert done.err.startswith(message)
    assert ("", 2) == (done.out, done.code)


def test_crd_that_the_api_server_refuses_is_refused(command: Command, folder: pathlib.Path) -> None:
    crd = gadgets()
    del crd["spec"]["names"]["plural"]
    (folder / "gadgets.yaml").write_text(yaml.dumps(crd))

    done = command("gadgets.yaml", cwd=folder)

    assert REFUSED.splitlines()[-1] in done.err
    assert REFUSED.splitlines()[0] in done.err
    assert 2 == done.code


def test_missing_file_is_named(command: Command) -> None:
    done = command("gone.yaml")

    message = (
        "schemagen: expected a file, directory, MODULE:API, git REV:PATH or cluster:CONTEXT, got "
        "'gone.yaml', which is none that exists\n"
    )
    assert (message, 2) == (done.err, done.code)


def test_conversion_by_others_is_not_served(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "imported_gadgets.py").write_bytes(GADGETS.with_suffix(".txt").read_bytes())
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))

    with pytest.raises(
        UserError, match="Gadget: expected conversions to serve, got external_conversion"
    ):
        options.load("imported_gadgets:api")
