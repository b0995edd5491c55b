"""``python -m controllers.agentctl.chart``: write or check the chart's generated files. Shell."""

import argparse
import pathlib
import sys
from collections.abc import Mapping
from typing import Final

from controllers.agentctl.chart import files
from schemagen.cli import frame

PROGRAM: Final = "python -m controllers.agentctl.chart"
ROOT: Final = pathlib.Path(__file__).parents[3]


def main() -> int:
    """Run the command; return 0 on success, 1 if a file is outdated."""
    return frame.guarded(PROGRAM, _run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Generate the Helm chart and its documents from the code."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if outdated")
    arguments = parser.parse_args()
    generated = files.generated(ROOT)
    wrong = outdated(ROOT, generated)
    for path in wrong:
        print(f"{path}: outdated" if arguments.check else f"wrote {path}")  # noqa: T201 - output
    if arguments.check:
        return 1 if wrong else 0
    for path in wrong:
        _write(ROOT / path, generated.get(path))
    return 0


def outdated(root: pathlib.Path, generated: Mapping[pathlib.Path, str]) -> list[pathlib.Path]:
    """Return the files that differ from what is generated, and those that are generated no more."""
    folder = root / files.CHART / "files"
    existing = {path.relative_to(root) for path in folder.rglob("*") if path.is_file()}
    orphans = existing - generated.keys()
    changed = {
        path
        for path, text in generated.items()
        if not (root / path).is_file() or (root / path).read_text() != text
    }
    return sorted(orphans | changed)


def _write(path: pathlib.Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
