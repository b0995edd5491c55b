"""Reads the packages in an image's directory, and their SBOMs. Shell: files."""

import email.message
import email.parser
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from controllers.agentctl.sbom import documents

_SHOWN_CHARACTERS = 120


class UnreadableError(Exception):
    """A file of an installed package is not what the packaging standards say."""


def packages(lib: pathlib.Path) -> list[documents.Component]:
    """Return the installed distributions, with what their own SBOMs (PEP 770) say is inside.

    Raises:
        UnreadableError: There is none, or one of their files cannot be read.
    """
    found = [_distribution(folder) for folder in sorted(lib.glob("*.dist-info"))]
    if not found:
        raise UnreadableError(
            f"expected a directory with Python packages (NAME.dist-info), got none in {lib}"
        )
    return found


def _distribution(folder: pathlib.Path) -> documents.Component:
    metadata = email.parser.Parser().parsestr(_text(folder / "METADATA"))
    name, version = metadata.get("Name"), metadata.get("Version")
    if not name or not version:
        raise UnreadableError(
            f"expected Name and Version in {folder / 'METADATA'}, got {name!r} and {version!r}"
        )
    boms = sorted((folder / "sboms").glob("*.json")) if (folder / "sboms").is_dir() else []
    parts = dict.fromkeys(part for path in boms for part in _bundled(path))
    return documents.Component(
        name,
        version,
        # PEP 503, normalized names.
        f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}",
        license=metadata.get("License-Expression") or documents.UNKNOWN,
        license_text=_license_text(metadata),
        contains=tuple(part for part in parts if part.name != name),
    )


def _license_text(metadata: "email.message.Message[str, str]") -> str:
    """The first line of a licence that is no expression (before PEP 639)."""
    if metadata.get("License-Expression"):
        return ""
    lines = (metadata.get("License") or "").strip().splitlines()
    return lines[0][:_SHOWN_CHARACTERS] if lines else ""


def _bundled(path: pathlib.Path) -> Iterator[documents.Component]:
    """The components in an SBOM of SPDX or CycloneDX."""
    try:
        bom: Any = json.loads(_text(path))
        if "spdxVersion" in bom:
            yield from map(_from_spdx, bom["packages"])
        elif bom.get("bomFormat") == "CycloneDX":
            yield from map(_from_cyclonedx, bom.get("components", []))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(
            f"expected an SBOM of SPDX or CycloneDX in JSON, got {error!r} in {path}"
        ) from error


def _from_spdx(package: Any) -> documents.Component:
    references = package.get("externalRefs", [])
    purls = [item["referenceLocator"] for item in references if item["referenceType"] == "purl"]
    checksums = {item["algorithm"]: item["checksumValue"] for item in package.get("checksums", [])}
    return documents.Component(
        package["name"],
        package.get("versionInfo", ""),
        purls[0] if purls else "",
        sha256=checksums.get("SHA256", ""),
        comment=package.get("comment", ""),
        purpose=package.get("primaryPackagePurpose", "LIBRARY"),
    )


def _from_cyclonedx(component: Any) -> documents.Component:
    return documents.Component(
        component["name"], component.get("version", ""), component.get("purl", "")
    )


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"expected a text file, got {error} at {path}") from error
