"""However a command ends: an actionable message, a documented exit code, no traceback."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from schemagen import interrupts
from tests.support.forked_commands import ROOT, Commands

pytestmark = pytest.mark.slow

GOOD = """\
from schemagen import Api, Kind, Resource, Rules, Spec, Version


class ThingSpec(Spec):
    size: int = 1


class Thing(Resource):
    spec: ThingSpec


def noted(thing, facts):
    return thing | {"spec": {"size": 10 // thing["spec"]["size"]}}


api = Api(
    "example.com",
    (
        Kind("Thing", "things", (Version("v1", Thing, storage=True),), rules=Rules(noted)),
        Kind("Other", "others", (Version("v1", Thing, storage=True),)),
    ),
)
"""

# A module, and the message after its path.
BROKEN = {
    "empty": ("", "expected a schemagen.Api at m:api, got nothing"),
    "another name": (
        GOOD.replace("api = ", "apis = "),
        "expected a schemagen.Api at m:api, got nothing; did you mean m:apis?",
    ),
    "no Python": ("api = Api(\n", "{path}:1: SyntaxError: '(' was never closed"),
    "binary": ("\0\1", "{path}: SyntaxError: source code string cannot contain null bytes"),
    "a module that is not there": (
        "import nothing_of_that_name\n",
        "{path}:1: ModuleNotFoundError: No module named 'nothing_of_that_name'",
    ),
    "a name that is not there": (
        "from schemagen import Api, Kinds\n",
        "{path}:1: ImportError: cannot import name 'Kinds' from 'schemagen'",
    ),
    "an exception": ("1\n1 / 0\n", "{path}:2: ZeroDivisionError: division by zero"),
    "sys.exit": (
        "import sys\nsys.exit(0)\n",
        (
            "{path}:2: expected a module that can be imported, got sys.exit(0); put program code "
            'under `if __name__ == "__main__":`'
        ),
    ),
    "recursion": ("def f():\n    f()\nf()\n", "{path}:2: RecursionError: maximum recursion depth"),
    "a class": ("from schemagen import Api as api\n", "at m:api, got the class Api"),
    "something else": ("api = 3\n", "expected a schemagen.Api at m:api, got int"),
    "a missing comma": (
        GOOD.replace("storage=True),), rules", "storage=True)), rules"),
        "{path}:19: Kind('Thing', versions=...): expected a tuple of Versions, got a Version",
    ),
    "a group of capitals": (
        GOOD.replace("example.com", "Example.com"),
        "{path}:16: Api('Example.com'): group: expected a lowercase DNS name",
    ),
}


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "m.py").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_broken_module_is_named_with_file_and_line(
    commands: Commands, tmp_path: pathlib.Path, name: str
) -> None:
    text, message = BROKEN[name]
    path = tmp_path / "m.py"
    path.write_text(text)

    done = commands.run("schemagen", "generate", "m:api", "--no-judge", cwd=tmp_path)

    assert (2, "") == (done.code, done.out)
    assert message.format(path=path) in done.err
    assert 1 == len(done.err.splitlines())


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("m", "expected MODULE:ATTRIBUTE such as crds:api, got 'm'"),
        ("./m.py:api", "got './m.py:api'; write m:api"),
        ("sub/n.py", "got 'sub/n.py'; write sub.n:api"),
        ("m.py:api", "; write m:api"),
        ("nowhere:api", "expected a module nowhere, got none on the import path or in "),
        (":api", "got ':api'"),
        ("m:api:x", "got 'm:api:x'"),
        ("..m:api", "got '..m:api'"),
        ("m:api.kinds", "expected a schemagen.Api at m:api.kinds, got tuple"),
    ],
)
def test_reference_that_leads_nowhere_is_explained(
    commands: Commands, project: pathlib.Path, reference: str, said: str
) -> None:
    done = commands.run("schemagen", "generate", reference, "--no-judge", cwd=project)

    assert (2, "") == (done.code, done.out)
    assert said in done.err


def test_what_a_module_prints_is_no_output(commands: Commands, project: pathlib.Path) -> None:
    plain = commands.run("schemagen", "generate", "m:api", "--no-judge", cwd=project)
    (project / "m.py").write_text(f"print('hello')\n{GOOD}")

    done = commands.run("schemagen", "generate", "m:api", "--no-judge", cwd=project)

    assert (0, plain.out, "hello\n") == (done.code, done.out, done.err)


def test_rule_that_raises_is_named_and_no_refusal(
    commands: Commands, project: pathlib.Path
) -> None:
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "example.com", "version": "v1", "kind": "Thing"},
            "operation": "CREATE",
            "object": {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"size": 0}},
        },
    }

    done = commands.run(
        "webhooks", "review", "m:api", "-", cwd=project, stdin=json.dumps(review).encode()
    )

    path = project / "m.py"
    message = f"webhooks: {path}:13: ZeroDivisionError: integer division or modulo by zero\n"
    assert (2, "", message) == (done.code, done.out, done.err)


def test_bug_of_ours_has_a_code_of_its_own(commands: Commands, project: pathlib.Path) -> None:
    """A module that breaks its own import simulates an unforeseen bug."""
    (project / "m.py").write_text(
        f"{GOOD}\nimport schemagen.crd.definitions\nschemagen.crd.definitions._version = None\n"
    )

    quiet = commands.run("schemagen", "generate", "m:api", "--check", "-o", "out", cwd=project)
    loud = commands.run(
        *("schemagen", "generate", "m:api"),
        cwd=project,
        environment={"KUBEWRIGHT_TRACEBACK": "1"},
    )

    assert 70 == quiet.code
    assert quiet.err.startswith(
        f"schemagen: internal error while generating Thing v1 ({project / 'm.py'}:8): TypeError: "
    )
    assert quiet.err.endswith(
        "please report it with what the same command shows with KUBEWRIGHT_TRACEBACK=1\n"
    )
    assert 1 == len(quiet.err.splitlines())
    assert "Traceback (most recent call last)" in loud.err


@pytest.mark.parametrize(
    ("stdout", "code", "said"),
    [
        ("closed", 141, ""),
        ("full", 2, "expected to write standard output, got an error: No space left on device\n"),
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [
        ("schemagen", "generate", "m:api", "--no-judge"),
        ("schemagen", "policy", "crds:api"),
        ("webhooks", "manifests", "m:api", "--url", "https://example.com"),
        ("agentctl", "version"),
    ],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_no_verdict(
    commands: Commands,
    project: pathlib.Path,
    arguments: tuple[str, ...],
    *,
    stdout: str,
    code: int,
    said: str,
) -> None:
    done = commands.run(*arguments, cwd=project, stdout=stdout)  # type: ignore[arg-type]

    expected = f"{arguments[0]}: {said}" if said else ""
    assert (code, expected) == (done.code, done.err)


def test_leftover_is_named_and_not_current(commands: Commands, project: pathlib.Path) -> None:
    commands.run("schemagen", "generate", "m:api", "-o", "out", "--no-judge", cwd=project)
    (project / "out/own.yaml").write_text("# written by hand\n")
    (project / "out/example.org_xs.yaml").write_text(
        "# Generated by `schemagen generate m:api2`; change the models and run it again.\n"
    )
    (project / "m.py").write_text(
        GOOD.replace(
            '        Kind("Other", "others", (Version("v1", Thing, storage=True),)),\n', ""
        )
    )

    stale = commands.run(
        *("schemagen", "generate", "m:api", "-o", "out", "--check", "--no-judge"), cwd=project
    )
    written = commands.run(
        *("schemagen", "generate", "m:api", "-o", "out", "--no-judge"), cwd=project
    )
    (project / "out/example.com_others.yaml").unlink()
    current = commands.run(
        *("schemagen", "generate", "m:api", "-o", "out", "--check", "--no-judge"), cwd=project
    )

    other = "out/example.com_others.yaml"
    assert (1, f"{other}: no kind generates it any more; delete it\n") == (stale.code, stale.out)
    assert (0, "current out/example.com_things.yaml\n") == (written.code, written.out)
    assert f"left {other}: no kind of m:api generates it any more; delete it\n" == written.err
    assert (0, "") == (current.code, current.out)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("generate", "m:api", "--no-judge", "-o"), "example.com_things.yaml"),
        (("schema", "m:api", "-o"), "thing_v1.json"),
        (("policy", "m:api", "-o"), ""),
    ],
    ids=["generate", "schema", "policy"],
)
def test_output_that_is_in_the_way_is_named_and_nothing_is_written(
    commands: Commands, project: pathlib.Path, arguments: tuple[str, ...], named: str
) -> None:
    (project / "taken").write_text("mine")
    (project / "folder").mkdir()
    (project / "folder" / (named or "x")).mkdir()
    before = sorted(project.rglob("*"))

    under_a_file = commands.run("schemagen", *arguments, "taken/deeper", cwd=project)
    in_the_way = commands.run("schemagen", *arguments, "folder", cwd=project)

    for done in (under_a_file, in_the_way):
        assert (2, "") == (done.code, done.out)
        assert done.err.startswith("schemagen: expected to write ")
    assert before == sorted(project.rglob("*"))


def test_full_disk_leaves_nothing_behind(project: pathlib.Path) -> None:
    """A file size limit simulates a disk that fills up in the middle of the work."""
    (project / "out").mkdir()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600));"
        "sys.argv = ['schemagen', 'generate', 'm:api', '-o', 'out', '--no-judge'];"
        "from schemagen.cli import commands as cli; cli.main()"
    )

    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=project, capture_output=True, text=True, check=False
    )

    path = "out/example.com_things.yaml"
    message = f"schemagen: expected to write {path}, got an error: File too large\n"
    assert (2, "", message) == (done.returncode, done.stdout, done.stderr)
    assert [] == [*(project / "out").iterdir()]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_command_prints_nothing(
    project: pathlib.Path, number: signal.Signals, code: int
) -> None:
    (project / "m.py").write_text(
        f"import pathlib, time\npathlib.Path('here').touch()\ntime.sleep(60)\n{GOOD}"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "schemagen", "generate", "m:api"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not (project / "here").exists() and time.monotonic() < deadline:
        time.sleep(0.05)

    os.kill(process.pid, number)
    out, err = process.communicate(timeout=120)

    assert (code, b"", b"") == (process.returncode, out, err)


COMMANDS = {
    "schemagen": "import schemagen",
    "webhooks": "import webhooks.__main__",
    "agentctl": "from controllers.agentctl import __main__ as entry; entry.main()",
}


@pytest.mark.parametrize("program", COMMANDS)
def test_ctrl_c_during_imports_says_nothing(tmp_path: pathlib.Path, program: str) -> None:
    """A package that everything imports simulates a slow import."""
    (tmp_path / "typer").mkdir()
    (tmp_path / "pydantic").mkdir()
    slow = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass\n"
    for name in ("typer", "pydantic"):
        (tmp_path / name / "__init__.py").write_text(slow)
    code = f"import sys; sys.argv = ['/usr/bin/{program}', 'x']; {COMMANDS[program]}"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "original", "expected"),
    [
        (["/venv/bin/schemagen", "generate"], [], True),
        (["C:/venv/webhooks.exe"], [], True),
        (["-m"], ["python", "-X", "dev", "-m", "schemagen", "generate"], True),
        (["-m"], ["python", "-m", "pytest", "schemagen"], False),
        (["/venv/bin/pytest"], [], False),
        (["-c"], ["python", "-c", "import schemagen"], False),
        ([], [], False),
    ],
)
def test_ctrl_c_is_other_programs_own(
    arguments: list[str], original: list[str], *, expected: bool
) -> None:
    assert expected == interrupts.is_own_program(arguments, original)


@pytest.mark.parametrize(
    "arguments",
    [
        *(("schemagen", "--help"), ("webhooks", "--help"), ("agentctl", "--help")),
        *(("schemagen", "generate", "--help"), ("agentctl", "run", "--help")),
    ],
    ids=" ".join,
)
def test_help_that_is_cut_off_is_no_error(
    commands: Commands, project: pathlib.Path, arguments: tuple[str, ...]
) -> None:
    cut = commands.run(*arguments, cwd=project, stdout="closed")  # type: ignore[arg-type]
    full = commands.run(*arguments, cwd=project, stdout="full")  # type: ignore[arg-type]

    message = f"{arguments[0]}: expected to write standard output, got an error: "
    assert (0, "") == (cut.code, cut.err)
    assert (2, f"{message}No space left on device\n") == (full.code, full.err)


def test_help_for_head_shows_its_first_line(project: pathlib.Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m schemagen --help | head -1"

    done = subprocess.run(
        ["/bin/bash", "-c", command], cwd=project, capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
