"""SPDX 2.3 documents, as values. Pure.

Needs the standard library alone, for the wheel's build hook loads this file by its path.
"""

import dataclasses
import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

UNKNOWN = "NOASSERTION"
# What hatchling dates files by if SOURCE_DATE_EPOCH is not set.
DEFAULT_EPOCH = "1580601600"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9.-]+")


@dataclasses.dataclass(frozen=True)
class Component:
    """Something that is delivered.

    Attributes:
        name: Name in its ecosystem.
        version: Version, or empty.
        purl: Package URL, or empty for what is no package.
        license: SPDX expression that its authors declare.
        license_text: What they say instead of an expression.
        sha256: Digest of the file, for a file.
        purpose: SPDX's purpose of a package.
        comment: What else users have to know.
        contains: Components within it.
    """

    name: str
    version: str = ""
    purl: str = ""
    license: str = UNKNOWN
    license_text: str = ""
    sha256: str = ""
    purpose: str = "LIBRARY"
    comment: str = ""
    contains: tuple["Component", ...] = ()


def created(environment: Mapping[str, str]) -> dt.datetime:
    """Return the time of a reproducible build: reproducible-builds.org, SOURCE_DATE_EPOCH."""
    seconds = int(environment.get("SOURCE_DATE_EPOCH") or DEFAULT_EPOCH)
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def document(root: Component, *, created: dt.datetime) -> str:
    """Return the SPDX document that describes a component, as JSON.

    The same component and time give the same document, its namespace included, which SPDX wants
    to be unique: it has the digest of the content.
    """
    identifiers = _identifiers(root)
    content = {
        "packages": [_package(part, identifier) for part, identifier in identifiers.items()],
        "relationships": [
            _relationship("SPDXRef-DOCUMENT", "DESCRIBES", identifiers[root]),
            *(
                _relationship(identifiers[whole], "CONTAINS", identifiers[part])
                for whole in identifiers
                for part in dict.fromkeys(whole.contains)
            ),
        ],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    name = f"{root.name}-{root.version}"
    head = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{_NOT_IN_IDS.sub('-', name)}-{digest}",
        "creationInfo": {
            "created": created.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: kubewright-sbom"],
        },
    }
    return json.dumps(head | content, indent=1, sort_keys=True) + "\n"


def _identifiers(root: Component) -> dict[Component, str]:
    """The SPDX identifier of each component; equal ones are one."""
    found: dict[Component, str] = {}
    for number, part in enumerate(dict.fromkeys(_walk(root))):
        words = _NOT_IN_IDS.sub("-", f"{part.name}-{part.version}")
        found[part] = f"SPDXRef-{number}-{words}".rstrip("-")
    return found


def _walk(root: Component) -> Iterator[Component]:
    yield root
    for part in root.contains:
        yield from _walk(part)


def _relationship(whole: str, kind: str, part: str) -> dict[str, str]:
    return {"spdxElementId": whole, "relationshipType": kind, "relatedSpdxElement": part}


def _package(part: Component, identifier: str) -> dict[str, Any]:
    package: dict[str, Any] = {
        "SPDXID": identifier,
        "name": part.name,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": part.license,
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": part.purpose,
    }
    optional: dict[str, Any] = {
        "versionInfo": part.version,
        "licenseComments": part.license_text,
        "comment": part.comment,
        "checksums": [{"algorithm": "SHA256", "checksumValue": part.sha256}] if part.sha256 else [],
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": part.purl,
            }
        ]
        if part.purl
        else [],
    }
    return package | {key: value for key, value in optional.items() if value}
