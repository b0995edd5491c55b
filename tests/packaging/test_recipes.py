"""Each recipe of CONTRIBUTING.md, carried out on a copy of the tree as it is written there.

Whatever proves it runs in the copy: generation, agreement tests, round trips. The number of files
that a person writes is printed, and does not grow unnoticed.
"""

import dataclasses
import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
RECIPES = (ROOT / "CONTRIBUTING.md").read_text().partition("## Recipes\n")[2].partition("\n## ")[0]
GENERATED = ("crds/generated/", "charts/agents/", "docs/rbac.md")
# What tests leave behind.
IGNORED = ("build/", ".hypothesis/")
GENERATE = "schemagen generate crds:api --out crds/generated"
CHECK = f"{GENERATE} --check"
CHART = "controllers.agentctl.chart"
# One process for all, because each imports half of the tree. In modules that are imported already
# assertions cannot be rewritten; these are no tests.
PROOF = """
import runpy, sys
import pytest

def run(module, *words):
    sys.argv = [module, *words]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, end.code

for command in {commands}:
    run(*command.split())
late = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *late, "-m", "not e2e", *{words}]))
"""


@dataclasses.dataclass(frozen=True)
class Tree:
    """A copy of the tree, without a repository.

    Attributes:
        root: Its root.
        files: What was copied.
        written: The files that a recipe wrote or changed.
    """

    root: pathlib.Path
    files: tuple[str, ...]
    written: set[str] = dataclasses.field(default_factory=set)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def write(self, name: str, text: str) -> None:
        self.written.add(name)
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def change(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert 1 == text.count(old), (name, old)
        self.write(name, text.replace(old, new))

    def prove(self, *words: str, commands: tuple[str, ...] = (GENERATE,)) -> None:
        """Run commands, then tests."""
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        code = PROOF.replace("{commands}", repr(commands)).replace("{words}", repr(words))
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stdout + done.stderr

    def different(self) -> set[str]:
        """What differs from the tree."""
        names = {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        _, changed, gone = filecmp.cmpfiles(ROOT, self.root, self.files, shallow=False)
        found = {*changed, *gone, *(names - {*self.files})}
        return {name for name in found if not name.startswith(IGNORED)}

    def changed(self) -> set[str]:
        """What differs from the tree, except generated files."""
        return {name for name in self.different() if not name.startswith(GENERATED)}


@pytest.fixture(scope="session")
def listed() -> tuple[str, ...]:
    done = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no git repository: an unpacked sdist")
    names = [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    return tuple(name for name in names if not (ROOT / name).is_symlink())


@pytest.fixture(scope="session")
def copied(listed: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("tree")
    for name in listed:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name)
    return root


@pytest.fixture
def tree(listed: tuple[str, ...], copied: pathlib.Path) -> Iterator[Tree]:
    """A copy, whose compiled modules stay for the next recipe."""
    tree = Tree(copied, listed)
    yield tree
    for name in tree.different():
        (copied / name).unlink(missing_ok=True)
        if name in listed:
            shutil.copy2(ROOT / name, copied / name)


def field(tree: Tree) -> None:
    tree.change(
        "crds/v1beta1/memory.py",
        "    timeout: Duration | None = Field(default=None, ",
        "    failures: Annotated[Int64, Field(ge=1, le=9)] | None = Field(\n"
        '        default=None, description="Failed checks before the store is unhealthy."\n'
        "    )\n"
        "    timeout: Duration | None = Field(default=None, ",
    )
    tree.prove("tests/crds/test_round_trips.py", "tests/crds/test_memory.py", "-k", "emory")


SKILL = '''"""Skill v1beta1: a text that teaches agents something."""

from typing import Annotated

from pydantic import Field

from crds.v1beta1 import core
from schemagen import Column, Resource, Spec, Status


class SkillSpec(Spec):
    """Text of the skill."""

    text: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="Text that the agent reads."
    )


class SkillStatus(Status):
    """Most recently observed status of the skill."""

    conditions: core.Conditions | None = Field(default=None, description="Conditions: Ready.")


class Skill(
    Resource,
    plural="skills",
    short_names=("skl",),
    categories=("agents",),
    columns=(core.READY, Column("Text", ".spec.text", priority=1), core.AGE),
):
    """A text that teaches agents something."""

    spec: SkillSpec = Field(description="Text of the skill.")
    status: SkillStatus | None = Field(
        default=None, description="Most recently observed status of the skill."
    )
'''
KNOWN = """from controllers.agentctl import kind_names


def test_kind_is_known_by_its_names() -> None:
    assert {"skills"} == {kind_names.resource(word).plural for word in ("skill", "skills", "skl")}
"""
SAMPLE = """# What every agent should know.
apiVersion: agents.proompteng.ai/v1beta1
kind: Skill
metadata:
  name: manners
spec:
  text: Be brief.
"""


def rule(kind: str, field: str) -> str:
    return f'''"""Validation of {kind}."""

from collections.abc import Iterator

from schemagen import Facts, FieldPath, Problem, Rules
from schemagen.problems import JSON


def validate(value: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
    """Yield the problems of an object."""
    del old, facts
    if str((value.get("spec") or {{}}).get("{field}")).isupper():
        yield Problem(FieldPath().member("spec").member("{field}"), "expected no shouting")


RULES = Rules(validate=validate)
'''


def with_rules(tree: Tree, kind: str) -> None:
    name, last = kind.lower(), '"AgentRun": agentrun_rules.RULES'
    tree.change("crds/platform.py", last, f'{last}, "{kind}": {name}_rules.RULES')
    imported = "from crds.admission import agentrun as agentrun_rules\n"
    added = f"from crds.admission import {name} as {name}_rules\n"
    tree.change("crds/platform.py", imported, f"{imported}{added}")


def kind(tree: Tree) -> None:
    tree.write("crds/v1beta1/skill.py", SKILL)
    tree.change("crds/v1beta1/kinds.py", "    memory,\n", "    memory,\n    skill,\n")
    last = "    versioncontrolprovider.VersionControlProvider,\n"
    tree.change("crds/v1beta1/kinds.py", last, f"{last}    skill.Skill,\n")
    tree.write("crds/samples/v1beta1/skill.yaml", SAMPLE)
    tree.write("crds/admission/skill.py", rule("Skill", "text"))
    with_rules(tree, "Skill")
    tree.write("tests/crds/test_skill.py", KNOWN)
    tree.prove(
        "tests/crds/test_skill.py",
        "tests/controllers/agentctl/test_agentctl_exits.py",
        "tests/controllers/runs/test_every_leaf.py::test_lists_name_nothing_that_is_not_there",
        "tests/packaging/test_rooms.py",
        "tests/schemagen/checking/test_fast_path.py",
        commands=(GENERATE, CHECK, CHART),
    )


CONVERSION = '''"""Memory v1beta1 <-> v1beta2."""

from schemagen.versions import records

SPEC = records.record(
    records.keep("type", "connection", "capabilities", "retention", "health"),
    records.move("isDefault", "usedByDefault"),
)
CONVERSION = records.Conversion(
    records.record(records.keep("kind", "metadata", "status"), records.same_name("spec", SPEC))
)
'''
CHAIN = """_CONVERSIONS: Final = {"Memory": memory_conversion.CONVERSION}

VERSIONS: Final = tuple(
    Version(
        "v1beta1",
        model,
        storage=True,
        conversion=_CONVERSIONS.get(model.__name__, records.UNCHANGED),
    )
    for model in _MODELS
)
"""


def version(tree: Tree) -> None:
    for name in [name for name in tree.files if name.startswith("crds/v1beta1/")]:
        text = tree.read(name).replace("v1beta1", "v1beta2").replace(", storage=True", "")
        text = text.replace("is_default", "used_by_default").replace("isDefault", "usedByDefault")
        tree.write(name.replace("v1beta1", "v1beta2"), text)
    tree.write("crds/v1beta1/conversions/__init__.py", '"""v1beta1 <-> v1beta2."""\n')
    tree.write("crds/v1beta1/conversions/memory_conversion.py", CONVERSION)
    kinds = "crds/v1beta1/kinds.py"
    one = 'VERSIONS: Final = tuple(Version("v1beta1", model, storage=True) for model in _MODELS)\n'
    tree.change(kinds, one, CHAIN)
    tree.change(
        kinds,
        "from schemagen import Resource, Version\n",
        "from crds.v1beta1.conversions import memory_conversion\n"
        "from schemagen import Resource, Version, records\n",
    )
    imported = "from crds.v1beta1 import kinds as v1beta1\n"
    tree.change(
        "crds/platform.py", imported, f"{imported}from crds.v1beta2 import kinds as v1beta2\n"
    )
    tree.change("crds/platform.py", "v1beta1.VERSIONS)", "v1beta1.VERSIONS, v1beta2.VERSIONS)")
    tree.write("crds/hub.py", tree.read("crds/hub.py").replace("v1beta1", "v1beta2"))
    tree.prove("tests/crds/test_round_trips.py", "-k", "Memory or ImplementationSpec or looked_up")


BATCH = '''"""The runtime Batch: processes on this machine, one after the other."""

from controllers.runs.runtimes.local import local


class Batch(local.Local):
    """Executes runs as local processes."""

    type = "Batch"
'''
BENCH = '''"""The runtime Batch with a stand-in for the agent-runner."""

import contextlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

from controllers.runs.runtimes import batch
from tests.support import local_bench
from tests.support.runtime_bench import Behaviour


class BatchBench(local_bench.LocalBench):
    def adapter(self, **options: Any) -> batch.Batch:
        settings = {"command": local_bench.STANDIN, "requeue_after_seconds": 0.02, **options}
        self.adapters.append(made := batch.Batch(self.root, **settings))
        return made

    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        del behaviour
        return {"runtime": {"type": "Batch"}}


@contextlib.asynccontextmanager
async def opened(root: pathlib.Path) -> AsyncIterator[BatchBench]:
    bench = BatchBench(root)
    try:
        yield bench
    finally:
        for adapter in bench.adapters:
            await adapter.close()
        bench.end_all()
'''


def adapter(tree: Tree) -> None:
    tree.change(
        "crds/v1beta1/agentrun.py",
        '    CUSTOM = "Custom"\n',
        '    CUSTOM = "Custom"\n    BATCH = "Batch"\n',
    )
    tree.write("controllers/runs/runtimes/batch.py", BATCH)
    registry = "controllers/agentctl/controller/runtimes.py"
    tree.change(
        registry,
        "    _Type.TEMPORAL: _temporal,\n",
        "    _Type.TEMPORAL: _temporal,\n"
        "    _Type.BATCH: lambda around: batch.Batch(around.options.workspaces),\n",
    )
    tree.change(
        registry,
        "from controllers.runs.runtimes import custom\n",
        "from controllers.runs.runtimes import batch, custom\n",
    )
    tree.write("tests/support/batch_bench.py", BENCH)
    tree.write(
        "tests/controllers/test_batch.py",
        "from controllers.agentctl.run import runtime_options\n\n\n"
        "def test_batch_is_known_to_the_command() -> None:\n"
        '    assert {"type": "Batch"} == runtime_options.runtime("batch", [])\n',
    )
    tree.prove(
        "tests/controllers/test_batch.py",
        "tests/controllers/runs/runtimes/test_runtimes_contract.py",
        "tests/controllers/agentctl/controller/test_agentctl_runtimes.py",
        "tests/controllers/agentctl/run/test_agentctl_runtime_options.py",
        "tests/crds/test_round_trips.py",
        "-k",
        "batch or agentctl or AgentRun-v1beta1",
    )


def check(tree: Tree) -> None:
    tree.write("crds/admission/memory.py", rule("Memory", "type"))
    with_rules(tree, "Memory")
    tree.write(
        "tests/crds/test_memory_rules.py",
        "import crds\n"
        "from schemagen import Facts\n\n\n"
        "def test_shouting_is_refused() -> None:\n"
        '    (kind,) = (one for one in crds.api if one.name == "Memory")\n'
        "    assert kind.rules.validate is not None\n"
        '    (problem,) = kind.rules.validate({"spec": {"type": "REDIS"}}, None, Facts())\n'
        '    assert "spec.type" == str(problem.path)\n',
    )
    tree.prove("tests/crds/test_memory_rules.py", commands=(CHECK,))


def metric(tree: Tree) -> None:
    tree.change(
        "controllers/runs/metrics.py",
        "    def reload_failures(",
        "    def live_runs(self, count: Callable[[], int]) -> None:\n"
        '        """Export the number of cached runs by a callback."""\n'
        '        gauge = Gauge("agents_live_runs", "Live runs.", registry=self.registry)\n'
        "        gauge.set_function(count)\n\n"
        "    def reload_failures(",
    )
    depth = "        self.metrics.depth(self.queue.__len__)\n"
    tree.change(
        "controllers/manager.py",
        depth,
        f"{depth}        self.metrics.live_runs(lambda: 7)\n",
    )
    documented = "`agents_agent_run_outcomes_total`"
    tree.change("docs/agentctl.md", documented, f"{documented}, `agents_live_runs`")
    tree.write(
        "tests/controllers/test_live_runs.py",
        "from controllers.runs import metrics\n\n\n"
        "def test_live_runs_are_counted() -> None:\n"
        "    found = metrics.Metrics()\n\n"
        "    found.live_runs(lambda: 7)\n\n"
        '    assert 7 == found.registry.get_sample_value("agents_live_runs")\n',
    )
    tree.prove(
        "tests/controllers/test_live_runs.py", "tests/controllers/test_manager.py", commands=()
    )


def show(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


# The number of files that a person writes, beside the tests of what is new.
COUNTS = {"field": 1, "kind": 5, "adapter": 3, "check": 2, "metric": 3}
TOLD = {
    "field": "**A field of the newest version** (1 file)",
    "kind": "**A kind** (3 to 5 files)",
    "adapter": "**A runtime adapter** (3 files)",
    "check": "**A check**, an admission rule (1 file; 2 for the first of its kind)",
    "metric": "**A metric** (3 files)",
}


@pytest.mark.parametrize(
    "recipe",
    [
        field,
        kind,
        *(pytest.param(each, marks=pytest.mark.deep) for each in (adapter, check, metric)),
    ],
    ids=lambda recipe: recipe.__name__,
)
def test_recipe_holds(
    recipe: Callable[[Tree], None], tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe(tree)

    by_hand = {name for name in tree.written if not name.startswith("tests/")}
    show(capsys, f"{recipe.__name__}: {len(by_hand)} files: {', '.join(sorted(by_hand))}")
    assert tree.written == tree.changed()
    # No test is edited; there may be new ones.
    assert tree.written.isdisjoint(name for name in tree.files if name.startswith("tests/"))
    assert COUNTS[recipe.__name__] == len(by_hand)
    assert TOLD[recipe.__name__] in RECIPES


def test_recipe_of_a_version_holds(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    version(tree)

    outside = {name for name in tree.written if not name.startswith("crds/v1beta2/")}
    show(capsys, f"version: a folder, and {len(outside)} files: {', '.join(sorted(outside))}")
    assert tree.written == tree.changed()
    assert {
        "crds/hub.py",
        "crds/platform.py",
        "crds/v1beta1/kinds.py",
        "crds/v1beta1/conversions/__init__.py",
        "crds/v1beta1/conversions/memory_conversion.py",
    } == outside
