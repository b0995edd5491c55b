"""``python -m controllers.devcluster``: what there is, building it, and pinning another version."""

import argparse
import pathlib
import re
import subprocess
import sys

from controllers.devcluster import binaries, build, errors, tools, versions


def main() -> int:
    """Run one command; 0 if it worked, 1 if not, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m controllers.devcluster",
        description="The binaries of the embedded control plane.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("where", help="print each tool, its version, and how it is found")
    building = commands.add_parser("build", help="build what is needed and nowhere to be found")
    building.add_argument(
        "tool", nargs="*", choices=[[], *tools.ALL], help="(default: what is needed)"
    )
    pinning = commands.add_parser("pin", help="make another Kubernetes version the locked one")
    pinning.add_argument("version", type=_version)
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "where":
                _where()
            case "build":
                _build(arguments.tool)
            case _:
                _pin(arguments.version)
    except (errors.DevclusterError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line's error
        return 1
    return 0


def _version(text: str) -> versions.Version:
    version = versions.Version.found_in(text)
    if version is None or version < versions.OLDEST:
        raise argparse.ArgumentTypeError(
            f"expected a version from {versions.OLDEST} on, got {text!r}"
        )
    return version


def _where() -> None:
    needed = set(tools.NEEDED)
    for tool in tools.ALL.values():
        found = binaries.look(tool)
        missing = "not found; needed, and built at first use" if tool in needed else "not found"
        print(found or f"{tool.name}: {missing}")  # noqa: T201 - the command's output


def _build(names: list[str]) -> None:
    wanted = [tools.ALL[name] for name in names] or tools.NEEDED
    for binary in binaries.find(wanted).values():
        print(binary)  # noqa: T201 - the command's output


def _pin(version: versions.Version) -> None:
    """Rewrite versions.py, go.mod and go.sum in this source tree."""
    here = pathlib.Path(__file__).parent
    source = here / "versions.py"
    source.write_text(
        re.sub(
            r'(?m)^KUBERNETES_VERSION = ".*"$',
            f'KUBERNETES_VERSION = "{version}"',
            source.read_text(),
        )
    )
    text = re.sub(
        r"(replace k8s\.io/[\w-]+ => k8s\.io/[\w-]+) v\S+",
        rf"\1 v0.{version.minor}.{version.patch}",
        build.GO_MOD.read_text(),
    )
    text = re.sub(r"(k8s\.io/kubernetes) v\S+", rf"\1 v{version}", text)
    build.GO_MOD.write_text(text)
    done = subprocess.run(["go", "mod", "tidy"], cwd=here, check=False)  # noqa: S607 - the user's Go
    if done.returncode != 0:
        raise errors.BuildError("expected `go mod tidy` to resolve the modules; see above")


if __name__ == "__main__":
    sys.exit(main())
