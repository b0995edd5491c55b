"""Read CustomResourceDefinitions from wherever they are: files, git, an Api, a cluster. Shell.

A reference is one of

- a file, a directory (searched for ``*.yaml``, ``*.yml`` and ``*.json``), a pattern such as
  ``crds/*.yaml``, or ``-`` for standard input;
- ``MODULE:ATTRIBUTE``: the CRDs that an Api generates;
- ``REV:PATH``: a file or directory of a git revision, and ``WORKTREE:PATH`` of the working tree;
- ``cluster:`` or ``cluster:CONTEXT``: the CRDs of a kubeconfig's context.
"""

import asyncio
import contextlib
import dataclasses
import fnmatch
import glob
import importlib.util
import inspect
import pathlib
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Final

from schemagen import files
from schemagen.compat import clusters
from schemagen.crd import definitions
from schemagen.problems import JSON, UserError, quoted
from schemagen.yaml import manifests

KIND: Final = "CustomResourceDefinition"
API_VERSION: Final = "apiextensions.k8s.io/v1"
_SUFFIXES: Final = ("*.yaml", "*.yml", "*.json")
_CLUSTER: Final = "cluster:"
_WORKTREE: Final = "WORKTREE:"
_PAGE: Final = 100
# Objects listed that are no CRDs.
_SHOWN: Final = 3


class SourceError(UserError):
    """A reference cannot be read; the message says what was expected and received."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """A CustomResourceDefinition and its origin.

    Attributes:
        value: The CRD, ``apiextensions.k8s.io/v1``.
        source: A file's name for messages, or the reference.
        line_of: From a field of the CRD, such as ``spec.versions[0].schema``, to its line from 1;
            0 where there are no lines.
    """

    value: dict[str, JSON]
    source: str
    line_of: Callable[[str], int] = dataclasses.field(default=lambda _: 0, repr=False)

    @property
    def name(self) -> str:
        """Return ``PLURAL.GROUP``."""
        return str(self.value["metadata"]["name"])


@dataclasses.dataclass(frozen=True)
class Sources:
    """The result of reading references.

    Attributes:
        definitions: In the order of the references, and of their file names.
        problems: What could not be read, a line each; the rest was read nevertheless.
    """

    definitions: tuple[Definition, ...]
    problems: tuple[str, ...] = ()


def read(*references: str) -> Sources:
    """Read the CRDs of some references; documents of other kinds are skipped.

    Raises:
        UserError: if a reference names nothing at all, or an Api, revision or cluster cannot be
            read. Unreadable files among others become ``problems``.
    """
    definitions: list[Definition] = []
    problems: list[str] = []
    for reference in references:
        found = _read(reference)
        if not found.definitions and not found.problems:
            raise SourceError(f"expected a {KIND} in {reference}, got {_others(reference)}")
        definitions += found.definitions
        problems += found.problems
    return Sources(tuple(definitions), tuple(problems))


def _others(reference: str) -> str:
    """Return the objects of a file or directory that are no CRDs; ``none`` if there are none."""
    path = pathlib.Path(reference)
    contents = texts(path) if path.exists() else ()
    subjects = [
        item.subject
        for source, content in contents
        if not isinstance(content, UserError)
        for item in manifests.read(content, source)
    ]
    shown = ", ".join(subjects[:_SHOWN])
    return f"{shown}, …" if len(subjects) > _SHOWN else shown or "none"


def read_all(*references: str) -> tuple[Definition, ...]:
    """Read the CRDs of some references, all of them.

    Raises:
        UserError: as ``read``, and if a file cannot be read.
    """
    found = read(*references)
    if found.problems:
        raise SourceError("\n".join(found.problems))
    return found.definitions


def without_origin(problem: str, reference: str) -> str:
    """Return a problem without the revision or directory that its file was read from."""
    for prefix in (f"{reference.rstrip('/')}/", reference, f"{reference.partition(':')[0]}:"):
        if problem.startswith(prefix):
            return problem.removeprefix(prefix)
    return problem


def by_name(definitions: tuple[Definition, ...]) -> dict[str, Definition]:
    """Index CRDs by name.

    Raises:
        SourceError: if two have the same name.
    """
    index: dict[str, Definition] = {}
    for definition in definitions:
        if (other := index.get(definition.name)) is not None:
            raise SourceError(
                f"expected each CRD once, got {definition.name} in {other.source} and in "
                f"{definition.source}"
            )
        index[definition.name] = definition
    return index


def _read(reference: str) -> Sources:
    if reference == "-" or pathlib.Path(reference).exists():
        return _parsed_all(texts(pathlib.Path(reference)))
    if reference.startswith(_CLUSTER):
        return Sources(asyncio.run(_of_cluster(reference)))
    if reference.startswith(_WORKTREE):
        return _parsed_all(texts(_in_worktree(reference.removeprefix(_WORKTREE))))
    if is_api(reference):
        return Sources(tuple(_of_api(reference)))
    if ":" in reference:
        return _parsed_all(_of_revision(reference))
    paths = sorted(glob.glob(reference, recursive=True))  # noqa: PTH207 - may be absolute
    if not paths:
        raise SourceError(
            f"expected a file, directory, MODULE:API, git REV:PATH or cluster:CONTEXT, got "
            f"{quoted(reference)}, which is none that exists"
        )
    return _parsed_all(text for path in paths for text in texts(pathlib.Path(path)))


def parsed(content: bytes, source: str) -> Iterator[Definition]:
    """Return the CRDs of a manifest.

    Raises:
        manifests.ManifestError: if it is not YAML.
        SourceError: if a CRD lacks what identifies it, or is of another version of its API.
    """
    for item in manifests.read(content, source):
        if item.value.get("kind") != KIND:
            continue
        place = f"{source}:{item.line}"
        if item.value.get("apiVersion") != API_VERSION:
            raise SourceError(
                f"{place}: expected a {KIND} of {API_VERSION}, got "
                f"{quoted(item.value.get('apiVersion'))}; convert it first"
            )
        if (problem := shape_problem(item.value)) is not None:
            raise SourceError(f"{place}: {problem}")
        yield Definition(item.value, source, item.line_of)


def shape_problem(value: dict[str, JSON]) -> str | None:
    """Return what a CRD lacks to be identified and walked; the judge says the rest."""
    metadata, spec = value.get("metadata"), value.get("spec")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return "expected a metadata.name"
    if not isinstance(spec, dict) or not isinstance(spec.get("versions"), list):
        return "expected a list in spec.versions"
    for index, version in enumerate(spec["versions"]):
        if not isinstance(version, dict) or not isinstance(version.get("name"), str):
            return f"expected an object with a name in spec.versions[{index}]"
    return None


def _parsed_all(contents: "Iterator[tuple[str, bytes | UserError]]") -> Sources:
    definitions: list[Definition] = []
    problems: list[str] = []
    for source, content in contents:
        try:
            if isinstance(content, UserError):
                raise content
            definitions += parsed(content, source)
        except UserError as error:
            problems.append(f"{error.source}{error}")
    return Sources(tuple(definitions), tuple(problems))


def texts(path: pathlib.Path) -> Iterator[tuple[str, bytes | UserError]]:
    """Yield names and contents of a file, or of the manifests below a directory."""
    for file in _files_below(path) if path.is_dir() else [path]:
        try:
            yield files.name_of(file), files.read_bytes(file)
        except files.InputError as error:
            yield files.name_of(file), error


def _files_below(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for suffix in _SUFFIXES for path in folder.rglob(suffix) if path.is_file())


def _in_worktree(path: str) -> pathlib.Path:
    found = pathlib.Path(path or ".")
    if not found.exists():
        raise SourceError(f"expected a file or directory {found} in the working tree, got none")
    return found


def is_api(reference: str) -> bool:
    """Return whether a reference is ``MODULE:ATTRIBUTE`` of a module that can be imported."""
    module, _, attribute = reference.partition(":")
    if not attribute or not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        return False
    files.import_from_here()
    with contextlib.suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def _of_api(reference: str) -> Iterator[Definition]:
    api = files.load_api(reference)
    for kind in api:
        value = definitions.crd(api, kind, webhook=definitions.NOWHERE)
        try:
            source = inspect.getfile(kind.hub.model)
            line = inspect.getsourcelines(kind.hub.model)[1]
        except (OSError, TypeError):  # defined in an interpreter
            source, line = reference, 0
        yield Definition(value, _shown(source), lambda _, line=line: line)  # type: ignore[misc]


def _shown(path: str) -> str:
    with contextlib.suppress(ValueError):
        return str(pathlib.Path(path).relative_to(pathlib.Path.cwd()))
    return path


def _of_revision(reference: str) -> Iterator[tuple[str, bytes | UserError]]:
    """Yield names and contents of a git revision's manifests; paths are below this directory."""
    revision, _, path = reference.removeprefix("git:").partition(":")
    # A revision that begins with a dash would be an option.
    if not re.fullmatch(r"[^-\s][^\s]*", revision):
        raise SourceError(f"expected a git revision before the colon, got {quoted(reference)}")
    commit = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    listed = _git("ls-tree", "-r", "-z", "--name-only", commit, "--", path or ".").decode()
    names = [name for name in listed.split("\0") if name]
    if not names:
        raise SourceError(f"expected a file or directory {path or '.'} in {revision}, got none")
    wanted = names if names == [path] else [name for name in names if _is_manifest(name)]
    for name in sorted(wanted):
        yield f"{revision}:{name}", _git("show", f"{commit}:./{name}")


def _is_manifest(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, suffix) for suffix in _SUFFIXES)


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - arguments, not a shell
            ["git", *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise SourceError("expected git on PATH to read a revision, got none") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or "it names no commit"
        raise SourceError(f"expected `git {' '.join(arguments)}` to succeed, got: {said}")
    return done.stdout


async def _of_cluster(reference: str) -> tuple[Definition, ...]:
    context = reference.removeprefix(_CLUSTER) or None
    async with clusters.opened(context) as cluster:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        found = [item async for item in clusters.items(cluster, path, page_size=_PAGE)]
    shown = f"{_CLUSTER}{context or ''}"
    named = {"apiVersion": API_VERSION, "kind": KIND}
    return tuple(Definition(named | item, shown) for item in found)
