"""The images' content without Docker: what `.image/fill` makes, and programs started from it."""

import os
import pathlib
import subprocess
import sys

from tests.support import bare

ROOT = pathlib.Path(__file__).parents[2]
# As in a pod whose API server does not answer.
IN_POD = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}


def fill(image: str, wheel: pathlib.Path, lock: pathlib.Path, target: pathlib.Path) -> None:
    """Fill a directory with an image's content, as the Dockerfile does."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [ROOT / ".image" / "fill", image, wheel, lock, target],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, "HOME": "/nonexistent"},
        check=True,
    )


def command(target: pathlib.Path, *words: str, more: str = "", **environment: str) -> list[str]:
    """A program of an image: another user, a read-only file system, no home.

    Args:
        target: The image's content.
        *words: Program and arguments.
        more: Further places of packages.
        **environment: Environment variables.
    """
    lib = target / "lib"
    variables = {"PYTHONPATH": f"{lib}:{more}", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    program, *arguments = words
    return bare.command(str(lib / "bin" / program), *arguments, **variables)


def size_bytes(directory: pathlib.Path) -> int:
    """What its files take."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def install(wheel: pathlib.Path, target: pathlib.Path) -> None:
    """Install a wheel without the packages that it needs."""
    quietly = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quietly, "--target", str(target), str(wheel)],
        check=True,
    )
