"""End-to-end tests under the chart's rights, and the audit logs of all compared with the matrix.

``python -m tests.bench.prove_rights --part 1/1``. A run that was interrupted goes on where it was:
build/prove-rights holds the audit logs of the files that have passed. The comparison is of all
parts together. Shell: processes, files. Exit code 1: a call was denied, a right was not used, a
call is not declared, or a file of tests failed or has not run.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from controllers.agentctl.chart import rights as matrix
from controllers.devcluster import audit as audit_log
from tests.support import audit, parts

ROOT: Final = pathlib.Path(__file__).parents[2]
FOLDER: Final = parts.BUILD / "prove-rights"
# Each starts controllers, webhook servers or the chart with exactly the declared rights.
FILES: Final = (
    *("install", "rights", "runs", "run_commands", "hostile_objects", "agentruns", "retention"),
    *("rotation", "certs_command", "pod_troubles", "ended_pods", "run_faults", "trust"),
    *("agent_policy", "samples", "residue", "columns", "readiness", "sources"),
)
PASSED: Final = "passed"


def main() -> int:
    """Prove, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="1/1", help="such as 2/4: the second of four")
    number, total = (int(text) for text in parser.parse_args().part.split("/"))
    began = time.monotonic()
    failed = [name for name in FILES[number - 1 :: total] if not _has_passed(name)]
    missing = [name for name in FILES if not (FOLDER / name / PASSED).exists()]
    logs = [
        [*audit_log.calls(log.read_text())]
        for name in FILES
        for log in sorted((FOLDER / name).glob("*-*"))
    ]
    short = _report(audit.compared(logs, matrix.matrix()), failed, missing)
    if not missing:
        shutil.rmtree(FOLDER)
    sys.stdout.write(
        f"part {number}/{total}, {len(FILES) - len(missing)} of {len(FILES)} files of tests, "
        f"{time.monotonic() - began:.0f} s: {'; '.join(short) or '0 denied, 0 unused'}\n"
    )
    return 1 if short else 0


def _has_passed(name: str) -> bool:
    """Run a file of tests, if it has not passed before."""
    folder = FOLDER / name
    if (folder / PASSED).exists():
        return True
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not deep"),
            *("--api-server-calls", str(folder), f"tests/e2e/test_{name}.py"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    shown = done.stdout.splitlines()
    if done.returncode == 0:
        (folder / PASSED).touch()
    else:
        sys.stdout.write("\n".join((*shown[-30:], "")))
    last = shown[-1].strip() if shown else ""
    sys.stdout.write(f"{name}: {time.monotonic() - began:.0f} s: {last}\n")
    sys.stdout.flush()
    return done.returncode == 0


def _report(found: audit.Compared, failed: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Print what was found; what is short, as phrases."""
    for title, lines in (
        ("denied", found.denied),
        ("not declared", found.undeclared),
        ("unused", found.unused),
        ("failed", failed),
        ("has not passed", missing),
    ):
        sys.stdout.writelines(f"{title}: {line}\n" for line in lines)
    calls = ", ".join(f"{who} {number}" for who, number in sorted(found.calls.items()))
    sys.stdout.write(
        f"calls: {calls}; {found.late} denied to pods that still ended after helm had deleted "
        "their roles\n"
    )
    counted = (
        (len(found.denied), "denied"),
        (len(found.undeclared), "not declared"),
        (len(found.unused), "unused"),
        (len(failed), "files failed"),
        (len(missing), "files have not passed"),
    )
    return [f"{number} {what}" for number, what in counted if number]


if __name__ == "__main__":
    sys.exit(main())
