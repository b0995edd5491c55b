"""``agentctl dev`` as its user meets it: what it prints works, programs come back, agents go on."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support import processes

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "first-agent.md"
UPGRADE = ROOT / "docs" / "upgrade.md"
# As the document has them: the exit code that is expected (0 if none is named), and the lines.
BLOCKS = re.compile(r"<!-- run(?:: (\d+))? -->\n```shell\n(.*?)```", re.DOTALL)
# Nobody who tries it has these.
FOREIGN = ("KUBECONFIG", "AGENTCTL_KUBECONFIG", "AGENTCTL_NAMESPACE", "AGENTCTL_WORKSPACES")
pytestmark = pytest.mark.e2e


class Dev:
    """A running ``agentctl dev``.

    Attributes:
        folder: Where it is used from; its own folder is ``.dev`` in it.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if name not in FOREIGN
        }
        self._printed = folder / "printed"
        with self._printed.open("w") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controllers.agentctl", "dev"],
                cwd=folder,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    @property
    def printed(self) -> str:
        return self._printed.read_text()

    def until_printed(self, pattern: str, seconds: float = 240.0) -> str:
        """Wait for a line, which may end the process, too."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            is_over = self.process.poll() is not None
            if found := re.search(pattern, self.printed):
                return found[0]
            assert not is_over, self.printed
            time.sleep(0.1)
        raise AssertionError(f"{pattern} is not in:\n{self.printed}")

    def shell(self, lines: str, expected: int = 0) -> str:
        """What lines print in a shell that has sourced what is to be sourced."""
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", f". .dev/env\n{lines}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert expected == done.returncode, f"{lines}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    found = Dev(tmp_path_factory.mktemp("dev"))
    try:
        found.until_printed("Press Ctrl-C to stop")
        yield found
    finally:
        found.process.send_signal(signal.SIGINT)
        found.process.wait(60)


def test_what_it_prints_works_as_it_stands(dev: Dev) -> None:
    pattern = r"of kubectl and agentctl is agents\):\n\n(.*?)\n\n"
    printed = re.search(pattern, dev.printed, re.DOTALL)
    assert printed is not None, dev.printed

    said = dev.shell(printed[1])

    assert "warning" not in said.lower(), said
    assert "greet-ada Succeeded" in said
    assert "\nHello Ada\n" in said
    assert re.search(r"\nworkspace +/\S+/workspace\n", said), said


def test_the_guide_to_a_first_agent_works(dev: Dev) -> None:
    blocks = BLOCKS.findall(GUIDE.read_text())

    said = [dev.shell(lines, int(code or 0)) for code, lines in blocks]

    assert "counting for docs" in said[3]
    assert "5\n" == said[4]
    assert "count-2: Failed" in said[5]
    assert "no such book" in said[6]


def test_the_way_from_v1alpha1_to_v1beta1_works(dev: Dev) -> None:
    for kind in ("agents", "providers"):  # as an older release has stored them
        dev.shell(f"agentctl migrate run {kind} --to v1alpha1")

    said = [dev.shell(lines) for _, lines in BLOCKS.findall(UPGRADE.read_text())]

    assert "agents.proompteng.ai/v1alpha1 Agent is deprecated" in said[1]
    assert "+    timeout: 10m" in said[2]
    assert "next   try the rewrite of every object" in said[4]
    entries = dev.shell("kubectl get agent counter-old -o jsonpath='{.metadata.managedFields}'")
    assert "v1alpha1" not in entries
    assert '"f:runDefaults":{"f:timeout":{}}' in entries


def test_a_program_that_ends_is_started_anew_and_its_user_told(dev: Dev) -> None:
    (controller,) = _programs(dev, "controllers.agentctl controller")

    os.kill(controller, signal.SIGKILL)

    dev.until_printed("the controller exited with code 137: restarting")
    dev.until_printed("the controller has restarted")
    dev.shell("agentctl run submit --agent greeter --text x --param who=Bob --wait --timeout 2m")


def test_agents_that_go_on_are_named_at_ctrl_c(dev: Dev) -> None:
    sleeper = dev.shell("sed 's/echo .*txt/sleep 300/; s/greet-ada/sleep/' .dev/first-run.yaml")
    dev.shell(
        f"kubectl apply --server-side -f - <<'END'\n{sleeper}\nEND\n"
        "agentctl run wait sleep --for running --timeout 1m"
    )

    dev.process.send_signal(signal.SIGINT)
    named = dev.until_printed(r"agents/sleep: stop with kill -- -\d+")

    assert 0 == dev.process.wait(60)
    group = int(re.findall(r"-(\d+)", named)[0])
    os.killpg(group, signal.SIGTERM)  # as it says


def _programs(dev: Dev, words: str) -> list[int]:
    """The processes of a command that this one keeps, without what ends it with its owner."""
    family = processes.family_of(dev.process.pid)
    commands = {pid: pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family}
    named = [pid for pid, said in commands.items() if words.replace(" ", "\0").encode() in said]
    return [pid for pid in named if b"run_with_owner.py" not in commands[pid]]
