"""Read CRDs and their conversions from files and directories. Shell.

What reads them is imported when it is needed: a server of models starts without it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemagen import files
from schemagen.model import registry
from schemagen.problems import UserError

if TYPE_CHECKING:
    from schemagen.versions.declared.reading import Declared


def load(crds: Sequence[str], conversions: Sequence[str]) -> registry.Api:
    """Return the Api of CRDs with declared conversions.

    CRDs that no file names are left out.

    Args:
        crds: Files, directories or patterns of CRDs.
        conversions: The same of files of conversions.

    Raises:
        UserError: if something cannot be read, or a conversion does not fit its CRD.
    """
    from schemagen.compat import sources  # noqa: PLC0415
    from schemagen.versions.declared import kinds  # noqa: PLC0415

    definitions = sources.read_all(*crds)
    sources.by_name(definitions)
    return kinds.api([definition.value for definition in definitions], read(conversions))


def api_of(reference: str | None, crds: Sequence[str], conversions: Sequence[str]) -> registry.Api:
    """Return the Api of a module, or that of CRDs with declared conversions.

    Raises:
        UserError: if both or neither are given, or one cannot be loaded.
    """
    given = bool(crds), bool(conversions)
    if reference is not None and not any(given):
        return files.load_api(reference)
    if reference is None and all(given):
        return load(crds, conversions)
    got = [*([reference] if reference is not None else []), *["--crds"] * given[0]]
    got += ["--conversions"] * given[1]
    raise UserError(
        f"expected MODULE:API, or --crds with --conversions, got {' and '.join(got) or 'neither'}"
    )


def read(references: Sequence[str]) -> "list[Declared]":
    """Return what files of conversions say.

    Raises:
        DeclaredError: naming each mistake of each file.
    """
    from schemagen.compat import inputs  # noqa: PLC0415
    from schemagen.versions.declared import reading  # noqa: PLC0415
    from schemagen.versions.declared.reading import DeclaredError  # noqa: PLC0415

    found: list[Declared] = []
    documents = inputs.Inputs(references)
    problems: list[str] = []
    for name, item in documents:
        if not reading.is_ours(item.value):
            continue
        try:
            found.append(reading.declared(item, name))
        except DeclaredError as error:
            problems.append(str(error))
    problems = [*documents.problems, *problems]
    if problems:
        raise DeclaredError("\n".join(problems))
    if not found:
        named = ", ".join(references)
        raise DeclaredError(f"expected conversions (kind: Conversion) in {named}, got none")
    return found
