"""Measures ``agentctl diagnose`` as whole processes, and plants every fault.

Exit code 1 if a duration is over its limit, or a fault is not found by its check alone.
"""

import argparse
import asyncio
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time

from controllers import devcluster
from controllers.agentctl.diagnose import report
from controllers.agentctl.diagnose.checks import registry
from controllers.agentctl.diagnose.report import Status
from tests.support.diagnosis import world as worlds
from tests.support.diagnosis.faults import FAULTS

COMMAND = (sys.executable, "-m", "controllers.agentctl", "diagnose")
LIMITS = {"healthy": 3.0, "--pre": 2.0, "refused": 5.0, "silent": 5.0}


def cpu() -> float:
    """Return the CPU seconds of ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Measurements:
    """The durations of commands, and whether one was too long or ended with a wrong code."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.has_failed = False

    async def take(self, name: str, expected: int, *words: str) -> None:
        """Run a command several times; print its best duration."""
        wall, used, codes = [], [], set()
        for _ in range(self.rounds):
            start, before = time.perf_counter(), cpu()
            done = await asyncio.to_thread(
                subprocess.run, [*COMMAND, *words], capture_output=True, check=False
            )
            wall.append(time.perf_counter() - start)
            used.append(cpu() - before)
            codes.add(done.returncode)
        is_bad = codes != {expected} or min(wall) > LIMITS[name]
        self.has_failed |= is_bad
        print(  # noqa: T201 - the purpose
            f"{name:8} {min(wall):6.2f} s at best, {sorted(wall)[len(wall) // 2]:6.2f} s median, "
            f"{min(used):5.2f} s of CPU, limit {LIMITS[name]:g} s, exit codes {sorted(codes)}"
            f"{'  WRONG' if is_bad else ''}",
            flush=True,
        )


async def measured(found: worlds.World, measurements: Measurements, folder: pathlib.Path) -> None:
    """Measure the healthy platform, and an API server that is down."""
    admin = found.cluster.admin_kubeconfig
    await measurements.take("healthy", 0, "--kubeconfig", str(admin))
    for name in ("refused", "silent"):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if name == "silent":
                listener.listen()
            port = listener.getsockname()[1]
            path = folder / "kubeconfig"
            server = f"https://127.0.0.1:{port}"
            path.write_text(admin.read_text().replace(found.cluster.server, server))
            await measurements.take(name, 3, "--kubeconfig", str(path))


def planted(found: worlds.World) -> bool:
    """Plant every fault; return whether one was not found by its check alone."""
    wrong = []
    for fault in FAULTS:
        seen = fault.plant(found.fresh if fault.mode == "pre" else found.seen)
        result = report.report(seen, registry.chosen(seen.mode, (), ()))
        faulty = {one.check.id for one in result.outcomes if one.status is not Status.OK}
        if faulty != {fault.check, *fault.others}:
            wrong.append(f"{fault.name}: {sorted(faulty)}")
    checks = {fault.check for fault in FAULTS}
    print(  # noqa: T201 - the purpose
        f"{len(FAULTS)} planted faults, {len(FAULTS) - len(wrong)} found by their check alone; "
        f"{len(checks)} of {len(registry.CHECKS)} checks"
    )
    for line in wrong:
        print(f"  wrong: {line}")  # noqa: T201 - the purpose
    return bool(wrong)


async def prove(rounds: int) -> int:
    """Prove it."""
    measurements = Measurements(rounds)
    with tempfile.TemporaryDirectory() as name, devcluster.Cluster() as cluster:
        folder = pathlib.Path(name)
        admin = str(cluster.admin_kubeconfig)
        await measurements.take("--pre", 0, "--pre", "--kubeconfig", admin)
        async with worlds.installed(cluster, folder) as found:
            await measured(found, measurements, folder)
            return int(planted(found) | measurements.has_failed)


def main() -> int:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    return asyncio.run(prove(parser.parse_args().rounds))


if __name__ == "__main__":
    sys.exit(main())
