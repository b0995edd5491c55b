"""``python -m controllers.agentctl.sbom``: print an image's SPDX document. Shell."""

import argparse
import os
import pathlib
import sys

from controllers.agentctl.sbom import contents, documents

PROGRAM = "python -m controllers.agentctl.sbom"
BASE = (
    "Besides these packages, an image contains those of its base image (.image/Dockerfile, "
    "PYTHON_IMAGE), for which the base image has an SBOM of its own."
)


def main(words: list[str] | None = None) -> int:
    """Run the command; return 0 on success, 1 if something cannot be read."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Print an SPDX document of a directory of Python packages."
    )
    parser.add_argument("lib", type=pathlib.Path, help="directory with the packages")
    parser.add_argument("--name", required=True, help="name of the image")
    arguments = parser.parse_args(words)
    try:
        parts = contents.packages(arguments.lib)
    except contents.UnreadableError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return 1
    versions = {part.version for part in parts if part.name == "kubewright"}
    root = documents.Component(
        arguments.name,
        versions.pop() if versions else "",
        purpose="CONTAINER",
        comment=BASE,
        contains=tuple(parts),
    )
    sys.stdout.write(documents.document(root, created=documents.created(os.environ)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
