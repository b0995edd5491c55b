"""The images' content, filled as the Dockerfile does, started as a hardened pod does, and measured.

``python -m tests.bench.prove_image``. Exit code 1: it is too large, or starts too slowly or not at
all. Shell: processes, files, the package registry.
"""

import asyncio
import contextlib
import datetime as dt
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import rich.console

from certs import authority
from certs.directory import files
from schemagen.judge import module
from tests.packaging.test_wheel import build
from tests.support import images

MB = 1024 * 1024
MAX_MAIN_MB = 250
MAX_START_SECONDS = 3.0
MAX_ALONE_MB = 120
LOCKS = images.ROOT / ".requirements"


def main() -> int:
    """Fill, start and measure."""
    output = rich.console.Console(soft_wrap=True, highlight=False)
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        # The programs are started by another user.
        scratch.chmod(0o755)
        wheel = build(scratch, KUBEWRIGHT_JUDGE=str(module.find()))
        images.fill("main", wheel, LOCKS / "image.txt", scratch / "main")
        images.fill("runner", wheel, LOCKS / "runner.txt", scratch / "runner")
        for name, limit in (("main", MAX_MAIN_MB), ("runner", 20)):
            megabytes = images.size_bytes(scratch / name / "lib") / MB
            compiled = images.size_bytes(scratch / name / "cache") / MB
            output.print(f"{name}: {megabytes:.0f} MB, and {compiled:.0f} MB of compiled code")
            failures += [f"{name}: over {limit} MB"] if megabytes > limit else []
        output.print(_largest(scratch / "main" / "lib"))
        megabytes = _alone(wheel, scratch / "alone")
        output.print(f"pip install kubewright: {megabytes:.0f} MB in an empty environment")
        failures += [f"pip install: over {MAX_ALONE_MB} MB"] if megabytes > MAX_ALONE_MB else []
        seconds = min(asyncio.run(_started(scratch / "main")) for _ in range(3))
        output.print(f"webhooks serve: ready after {seconds:.1f} s")
        failures += [f"over {MAX_START_SECONDS} s"] if seconds > MAX_START_SECONDS else []
        for line, has_failed in _run(scratch):
            output.print(line)
            failures += [line] if has_failed else []
    for failure in failures:
        output.print(f"FAILED {failure}")
    return 1 if failures else 0


def _alone(wheel: pathlib.Path, environment: pathlib.Path) -> float:
    """Megabytes, on disk, that the wheel and its packages add to an empty environment."""
    python = environment / "bin" / "python"
    quietly = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    before = _used_bytes(environment)
    subprocess.run([python, "-m", "pip", "install", *quietly, wheel], check=True)
    added = _used_bytes(environment) - before
    output = rich.console.Console(soft_wrap=True, highlight=False)
    (lib,) = environment.glob("lib/python*/site-packages")
    output.print(_largest(lib))
    return added / MB


def _used_bytes(directory: pathlib.Path) -> int:
    """What `du` counts: whole blocks, directories included."""
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*"))


def _largest(lib: pathlib.Path) -> str:
    sizes = {
        path.name: images.size_bytes(path) / MB if path.is_dir() else path.stat().st_size / MB
        for path in lib.iterdir()
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:12]
    return "  " + ", ".join(f"{name} {size:.0f}" for name, size in largest)


async def _started(target: pathlib.Path) -> float:
    """Seconds until the webhook server is ready."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *images.command(
            target,
            *("webhooks", "serve", "crds:api", "--port", "0", "--workers", "2"),
            *("--cert-dir", str(_certificates(target))),
            KUBEWRIGHT_CACHE=str(target / "cache"),
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        if not line.startswith(b"serving "):
            raise SystemExit((await process.stderr.read()).decode()[-2000:])
        return time.monotonic() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def _certificates(target: pathlib.Path) -> pathlib.Path:
    """A mounted Secret."""
    folder = target.parent / "certificates"
    if not folder.exists():
        now = dt.datetime.now(dt.UTC)
        ca = authority.new_authority("prove-image", now=now)
        folder.mkdir()
        pair = authority.issue_server(ca, ["127.0.0.1"], now=now)
        files.install(str(folder), pair, ca.certificate_pem)
        if os.getuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, 54321, 54321)
    return folder


def _run(scratch: pathlib.Path) -> Iterator[tuple[str, bool]]:
    """The outputs of other programs, and whether they failed."""
    for image, expected, said, *words in (
        ("main", 0, "agentctl 0.", "agentctl", "version"),
        ("main", 0, "", "schemagen", "validate", "crds:api", "--file", str(_sample())),
        # The pod's service account is missing.
        ("main", 3, "expected a pod's service account", "agentctl", "get", "agents"),
        ("runner", 64, "agent-runner: expected", "agent-runner"),
    ):
        began = time.monotonic()
        done = subprocess.run(
            images.command(
                scratch / image,
                *words,
                KUBEWRIGHT_CACHE=str(scratch / image / "cache"),
                **images.IN_POD,
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.monotonic() - began
        output = (done.stdout + done.stderr).strip()
        has_failed = done.returncode != expected or said not in output
        shown = f"exit code {done.returncode} after {took:.1f} s: {json.dumps(output[-160:])}"
        yield f"{' '.join(words)[:60]}: {shown}", has_failed


def _sample() -> pathlib.Path:
    return images.ROOT / "crds" / "samples" / "v1beta1" / "agentrun.yaml"


if __name__ == "__main__":
    sys.exit(main())
