"""``python -m controllers.devcluster``: list, build and pin the control plane's binaries."""

import argparse
import itertools
import sys
from collections.abc import Iterable

from controllers.devcluster import binaries, errors, pin, tools, versions
from schemagen import files
from schemagen.cli import frame
from schemagen.judge import minors

PROGRAM = "python -m controllers.devcluster"


def main() -> int:
    """Run a command; return 0 on success, 1 on failure, 2 for invalid arguments."""
    return frame.guarded(PROGRAM, _run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Manage the binaries of the embedded control plane.",
        epilog=f"Exit codes: 0 success, 1 failure. {frame.EPILOG}",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("where", help="print each tool with its version and location")
    building = commands.add_parser("build", help="build required tools that are not found")
    building.add_argument(
        "tool",
        nargs="*",
        type=_tool,
        help=f"one of {', '.join(tools.ALL)} (default: the required tools)",
    )
    building.add_argument(
        "--jobs", action="store_true", help="also build the tools of a cluster that runs Jobs"
    )
    judging = commands.add_parser(
        "judge", help="build the API server's validation module for schemagen"
    )
    judging.add_argument(
        "minor",
        nargs="*",
        type=_minor,
        help="older minor versions to build it of, such as 1.34 (default: the newest)",
    )
    pinning = commands.add_parser("pin", help="pin another Kubernetes version")
    pinning.add_argument("version", type=_version, help="such as 1.37.2")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "where":
                _where()
            case "build":
                _build(arguments.tool or tools.NEEDED, tools.FOR_JOBS if arguments.jobs else ())
            case "judge":
                _judge(arguments.minor)
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
            f"expected version {versions.OLDEST} or newer, got {text!r}"
        )
    return version


def _minor(text: str) -> minors.Minor:
    for minor in minors.OLDER_ONES:
        if text == str(minor):
            return minor
    known = ", ".join(map(str, minors.OLDER_ONES))
    raise argparse.ArgumentTypeError(f"expected one of {known}, got {text!r}")


def _judge(older: Iterable[minors.Minor]) -> None:
    for path in map(binaries.older_judge, older) if older else [binaries.judge()]:
        print(path)  # noqa: T201 - the command's output


def _where() -> None:
    needed = set(tools.NEEDED)
    for tool in tools.ALL.values():
        found = binaries.locate(tool)
        missing = "not found; required, built on first use" if tool in needed else "not found"
        print(found or f"{tool.name}: {missing}")  # noqa: T201 - the command's output


def _build(*requested: Iterable[tools.Tool]) -> None:
    for binary in binaries.find(itertools.chain(*requested)).values():
        print(binary)  # noqa: T201 - the command's output


def _pin(version: versions.Version) -> None:
    pin.pin(version, cache=files.cache_directory())
    print(f"pinned Kubernetes {version}")  # noqa: T201 - the command's output


if __name__ == "__main__":
    sys.exit(main())
