"""docs/cli.md is what every command does: help, messages, exit codes, without a cluster."""

import pathlib
import re
import socket
from collections.abc import Iterator
from typing import Any, Final

import pytest
import typer
from typer.testing import CliRunner, Result

import webhooks.cli
from controllers.agentctl import cli as agentctl
from controllers.agentctl.exits import Exit
from controllers.agentctl.migrate import commands as migrate
from schemagen import interrupts
from schemagen.cli import commands as schemagen
from schemagen.cli import frame
from tests.packaging.test_plain_words import OPENERS, PHRASES
from tests.support.command_mutations import KUBECONFIG
from tests.support.forked_commands import ROOT, Commands

DOCUMENT: Final = (ROOT / "docs/cli.md").read_text()
WIDTH: Final = 80
APPS: Final = {
    "agentctl": agentctl.app,
    "agentctl migrate": migrate.app,
    "schemagen": schemagen.app,
    "webhooks": webhooks.cli.app,
}


def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, member in getattr(command, "commands", {}).items():
        yield from walk((*words, name), member)


COMMANDS: Final = {
    " ".join((program, *words)): command
    for program, app in APPS.items()
    for words, command in walk((), typer.main.get_command(app))
}


def invoke(line: str, **environment: str | None) -> Result:
    program, *words = line.split()
    return CliRunner().invoke(APPS[program], words, env=environment)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_help_is_complete(command: Any) -> None:
    is_group = bool(getattr(command, "commands", None))

    assert command.help
    assert is_group or "Exit codes: " in command.help
    assert [] == [each.name for each in command.params if not getattr(each, "help", None)]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_help_is_plain_english(command: Any) -> None:
    texts = [command.help, *(each.help for each in command.params)]

    assert [] == [text for text in texts if OPENERS.match(text) or PHRASES.search(text)]


@pytest.mark.parametrize("line", COMMANDS)
def test_help_fits_the_terminal(line: str) -> None:
    done = invoke(f"{line} --help", TERMINAL_WIDTH=str(WIDTH), NO_COLOR="1")

    assert 0 == done.exit_code
    assert [] == [each for each in done.stdout.splitlines() if len(each) > WIDTH]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_unknown_option_is_one_line_that_names_it(line: str) -> None:
    done = invoke(f"{line} --no-such-option", TERMINAL_WIDTH="20", FORCE_COLOR="1")

    assert (frame.WRONG_INPUT, "") == (done.exit_code, done.stdout)
    program = line.split(maxsplit=1)[0]
    assert re.fullmatch(
        rf"{program}: No such option: --no-such-option.*; see {line} --help\n", done.stderr
    )


@pytest.fixture(scope="module")
def forks() -> Iterator[Commands]:
    with Commands() as commands:
        yield commands


@pytest.fixture
def unreachable(tmp_path: pathlib.Path) -> Iterator[str]:
    """A kubeconfig whose server is a bound port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        path = tmp_path / "kubeconfig"
        path.write_text(KUBECONFIG.replace(":9", f":{held.getsockname()[1]}"))
        yield str(path)


# Of a command line: the exit code, and a part of the message. All commands that read a cluster
# share a session, so a few stand for all.
FAULTS: Final = {
    "agentctl no-such-command": (2, "No such command 'no-such-command'"),
    "agentctl get runs -o xml": (2, "'xml' is not one of 'table', 'wide'"),
    "agentctl run wait": (2, "Missing argument"),
    "agentctl get tables": (2, "expected runs, agents, providers"),
    "agentctl get runs one -A": (2, "expected a NAME in one namespace, got --all-namespaces"),
    "agentctl get runs one --field-selector a=b": (2, "expected a NAME, or --selector"),
    "agentctl get runs --kubeconfig none": (3, "expected a kubeconfig at none"),
    "agentctl get runs --kubeconfig {broken}": (3, "{broken}"),
    "agentctl get runs --kubeconfig {unreachable}": (3, "could not reach http://127.0.0.1:"),
    "agentctl get runs --kubeconfig {unreachable} --context none": (3, "none"),
    "agentctl run logs one --kubeconfig {unreachable}": (3, "could not reach http://"),
    "agentctl explain one --kubeconfig {unreachable}": (3, "could not reach http://"),
    "agentctl run submit --agent a --file none": (2, "expected to read none"),
    "agentctl migrate plan runs --no-such-option": (2, "No such option"),
    "schemagen generate none:api": (2, "expected a module none"),
    "schemagen validate crds:api -f none.yaml": (2, "none.yaml"),
    "schemagen diff none.yaml none.yaml": (2, "none.yaml"),
    "schemagen generate": (2, "Missing argument"),
    "webhooks review crds:api none.yaml": (2, "none.yaml"),
    "webhooks manifests crds:api": (2, "expected"),
    "webhooks review crds:api {broken}": (2, "expected"),
}


@pytest.mark.slow
@pytest.mark.parametrize("line", FAULTS)
def test_fault_is_said_in_the_documented_form(
    forks: Commands, tmp_path: pathlib.Path, unreachable: str, line: str
) -> None:
    code, said = FAULTS[line]
    broken = tmp_path / "broken"
    broken.write_text("{a: [")
    words = line.format(broken=broken, unreachable=unreachable).split()
    program: Any = words[0]

    done = forks.run(program, *words[1:], cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)})

    assert (code, "") == (done.code, done.out)
    assert said.format(broken=broken) in done.err
    assert [] == [
        each for each in done.err.splitlines() if not each.startswith((f"{program}: ", "  "))
    ]


def test_document_has_every_exit_code() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE)}

    own = {frame.WRONG_INPUT, frame.INTERNAL_ERROR, frame.OUTPUT_CLOSED, frame.TERMINATED}
    assert {*Exit, *own, interrupts.INTERRUPTED} == documented


def test_document_names_every_program_and_group() -> None:
    for program, app in APPS.items():
        for name in getattr(typer.main.get_command(app), "commands", {}):
            assert f"`{name}`" in DOCUMENT, f"docs/cli.md lists no {program} {name}"
