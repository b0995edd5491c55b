"""``python -m controllers.devcluster``: what there is, building it, and pinning another version."""

import argparse
import itertools
import sys
from collections.abc import Iterable

from controllers.devcluster import binaries, errors, pin, tools, versions
from schemagen import commandline, files

PROGRAM = "python -m controllers.devcluster"


def main() -> int:
    """Run one command; 0 if it worked, 1 if not, 2 for wrong arguments."""
    return commandline.guarded(PROGRAM, _run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="The binaries of the embedded control plane.",
        epilog=f"Exit codes: 0 it worked, 1 it did not. {commandline.EPILOG}",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("where", help="print each tool, its version, and how it is found")
    building = commands.add_parser("build", help="build what is needed and nowhere to be found")
    building.add_argument(
        "tool",
        nargs="*",
        type=_tool,
        help=f"one of {', '.join(tools.ALL)} (default: what is needed)",
    )
    building.add_argument(
        "--jobs", action="store_true", help="build what a cluster that runs Jobs needs, too"
    )
    commands.add_parser("judge", help="build the API server's judge for schemagen")
    pinning = commands.add_parser("pin", help="make another Kubernetes version the locked one")
    pinning.add_argument("version", type=_version, help="such as 1.37.2")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "where":
                _where()
            case "build":
                _build(arguments.tool or tools.NEEDED, tools.FOR_JOBS if arguments.jobs else ())
            case "judge":
                print(binaries.judge())  # noqa: T201 - the command's output
            case _:
                _pin(arguments.version)
    except (errors.DevclusterError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line's error
        return 1
    return 0


def _tool(name: str) -> tools.Tool:
    if name not in tools.ALL:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(tools.ALL)}, got {name!r}")
    return tools.ALL[name]


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


def _build(*wanted: Iterable[tools.Tool]) -> None:
    for binary in binaries.find(itertools.chain(*wanted)).values():
        print(binary)  # noqa: T201 - the command's output


def _pin(version: versions.Version) -> None:
    pin.pin(version, cache=files.cache_directory())
    print(f"Kubernetes {version} is the locked version")  # noqa: T201 - the command's output


if __name__ == "__main__":
    sys.exit(main())
