"""File access of the toolkit: import an Api by name, write generated files. Shell."""

import contextlib
import errno
import functools
import importlib.util
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemagen import exception_origin, yaml
from schemagen.model import field_types, registry
from schemagen.problems import JSON, UserError, quoted


class InputError(UserError):
    """A file cannot be read; the message names it and the cause."""


class ApiNotFoundError(UserError):
    """``MODULE:ATTRIBUTE`` does not resolve to an Api. Read by the API author."""


def load_api(reference: str) -> registry.Api:
    """Import the Api named by ``MODULE:ATTRIBUTE``, also from the working directory.

    Output of the module goes to standard error; standard output belongs to the command.

    Raises:
        ApiNotFoundError: saying which part was not found, or what the module did instead.
    """
    module_name, _, attribute = reference.partition(":")
    if not _is_dotted(module_name) or not _is_dotted(attribute):
        raise ApiNotFoundError(
            f"expected MODULE:ATTRIBUTE such as crds:api, got {quoted(reference)}"
            + _as_module(module_name, attribute)
        )
    here = import_from_here()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            module = importlib.import_module(module_name)
            api = functools.reduce(getattr, attribute.split("."), module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _not_found(error, module_name, attribute, here) from error
    if not isinstance(api, registry.Api):
        raise ApiNotFoundError(f"expected a schemagen.Api at {reference}, got {_named(api)}")
    return api


def import_from_here() -> str:
    """Put the working directory on the import path; return it."""
    here = str(pathlib.Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return here


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _as_module(name: str, attribute: str) -> str:
    """Suggest module notation for a file path."""
    path = pathlib.PurePath(name)
    parts = (*path.parts[:-1], path.name.removesuffix(".py"))
    dotted = ".".join(part for part in parts if part not in {".", "/"})
    return f"; write {dotted}:{attribute or 'api'}" if _is_dotted(dotted) else ""


def _not_found(
    error: BaseException, module_name: str, attribute: str, here: str
) -> ApiNotFoundError:
    """Return the error for a module that provides no Api: it is missing, or failed."""
    module = sys.modules.get(module_name)
    is_there = module is not None or not isinstance(error, ModuleNotFoundError)
    if not is_there and f"{module_name}.".startswith(f"{getattr(error, 'name', None)}."):
        hint = _as_module(module_name, attribute) if module_name.endswith(".py") else ""
        return ApiNotFoundError(
            f"expected a module {module_name}, got none on the import path or in {here}"
            + (hint or "; run in its directory, or install it")
        )
    if isinstance(error, AttributeError) and module is not None and error.obj is module:
        apis = sorted(
            name for name, value in vars(module).items() if isinstance(value, registry.Api)
        )
        meant = f"; did you mean {module_name}:{apis[0]}?" if apis else ""
        return ApiNotFoundError(
            f"expected a schemagen.Api at {module_name}:{attribute}, got nothing{meant}"
        )
    where = f"{exception_origin.imported_at(error, module_name) or _file_of(module_name)}: "
    if isinstance(error, field_types.DeclarationError):
        return ApiNotFoundError("\n".join(f"{where}{line}" for line in str(error).splitlines()))
    if isinstance(error, SystemExit):
        return ApiNotFoundError(
            f"{where}expected a module that can be imported, got sys.exit({error.code!r}); put "
            'program code under `if __name__ == "__main__":`'
        )
    return ApiNotFoundError(f"{where}{exception_origin.sentence(error)}")


def _file_of(module_name: str) -> str:
    """Return the file of a module that failed to compile, or its name if unknown."""
    with contextlib.suppress(Exception):
        spec = importlib.util.find_spec(module_name)
        if spec is not None and spec.origin is not None:
            return spec.origin
    return module_name


def _named(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "nothing" if value is None else type(value).__name__


def read_bytes(path: pathlib.Path) -> bytes:
    """Return the bytes of a file, or of standard input for ``-``.

    Raises:
        InputError: naming the file and the cause.
    """
    try:
        if str(path) != "-":
            return path.read_bytes()
        return sys.stdin.buffer.read() if sys.stdin is not None else b""
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        what = getattr(error, "strerror", None) or str(error)
        raise InputError(f"expected to read {name_of(path)}: {what}") from error


def name_of(path: pathlib.Path) -> str:
    """Return the name of an input for messages."""
    return "standard input" if str(path) == "-" else str(path)


def cache_directory(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Return the user's cache directory for build results; KUBEWRIGHT_CACHE overrides it."""
    if root := environment.get("KUBEWRIGHT_CACHE"):
        return pathlib.Path(root).absolute()
    base = environment.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "kubewright"


def state_directory(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Return the user's directory for state kept between runs, including keys."""
    base = environment.get("XDG_STATE_HOME") or ""
    # The XDG Base Directory specification says to ignore relative paths.
    root = pathlib.Path(base) if base.startswith("/") else pathlib.Path.home() / ".local/state"
    return root / "kubewright"


# In memory, and writable even if a container's file system is read-only.
MEMORY: Final = pathlib.Path("/dev/shm")  # noqa: S108 - what is made there is for its owner alone


@contextlib.contextmanager
def scratch(state: pathlib.Path) -> Iterator[pathlib.Path]:
    """Provide a scratch directory for this process and its children while the context is open.

    It is created in the temporary directory, else in memory, else in the state directory.

    Raises:
        OutputError: if none of them is writable.
    """
    for parent in (None, MEMORY, state):
        folder = _temporary(parent)
        if folder is not None:
            with folder as name:
                yield pathlib.Path(name)
            return
    raise OutputError(
        f"expected a writable directory, got none of TMPDIR, /tmp, {MEMORY} and {state}: "
        "mount a volume there (of type emptyDir in a pod), or name one with --state-dir"
    )


def _temporary(parent: pathlib.Path | None) -> "tempfile.TemporaryDirectory[str] | None":
    with contextlib.suppress(OSError):
        if parent is not None:
            make_private(parent)
        return tempfile.TemporaryDirectory(prefix="kubewright-", dir=parent)
    return None


def make_private(directory: pathlib.Path) -> None:
    """Create a directory and its missing parents, accessible to the owner only.

    Raises:
        OSError: if it cannot be created, or is a file.
    """
    if directory.is_dir():
        return
    make_private(directory.parent)
    # Not `parents=True`, which does not apply the mode to the parents.
    directory.mkdir(mode=0o700, exist_ok=True)


class OutputError(UserError):
    """A file cannot be written; no file was."""


def sync_directory(path: pathlib.Path) -> None:
    """Sync a directory to disk: a file's existence is durable only then."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(texts: Mapping[pathlib.Path, str]) -> dict[pathlib.Path, bool]:
    """Write files atomically, all or none; return whether each one changed.

    An interruption (full disk, Ctrl-C) leaves no partial file behind.

    Raises:
        OutputError: naming the file and the cause.
    """
    written: dict[pathlib.Path, bool] = {}
    with contextlib.ExitStack() as stack:
        ready: list[tuple[pathlib.Path, pathlib.Path]] = []
        for path, text in texts.items():
            content = text.encode(errors="backslashreplace")
            with _output(path):
                written[path] = not _holds(path, content)
                if written[path] and path.exists() and not path.is_file():
                    path.write_bytes(content)  # a pipe or device cannot be replaced
                elif written[path]:
                    ready.append((_prepared(path, content, stack), path.resolve()))
        for temporary, path in ready:
            with _output(path):
                temporary.replace(path)
    return written


@contextlib.contextmanager
def _output(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"expected to write {path}, got an error: {error.strerror}") from error


def _holds(path: pathlib.Path, content: bytes) -> bool:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.is_file() and path.read_bytes() == content


def _prepared(
    path: pathlib.Path, content: bytes, stack: contextlib.ExitStack, mode: int = 0o644
) -> pathlib.Path:
    """Write a temporary file beside the target; the stack removes it."""
    folder = path.resolve().parent
    for made in _make_folder(folder):
        stack.callback(_forget_empty, made)
    with tempfile.NamedTemporaryFile(
        dir=folder, prefix=f".{path.name[:32]}-", delete=False
    ) as file:
        temporary = pathlib.Path(file.name)
        stack.callback(temporary.unlink, missing_ok=True)
        file.write(content)
    temporary.chmod(mode)
    return temporary


def _make_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Create a directory with its parents; return those that were missing."""
    if not folder.is_dir():
        yield from _make_folder(folder.parent)
        folder.mkdir()
        yield folder


def _forget_empty(folder: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def replace(path: pathlib.Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file atomically: readers never see a partial file."""
    with contextlib.ExitStack() as stack:
        _prepared(path, content, stack, mode).replace(path)


def generated_files(documents: Iterable[tuple[str, JSON]], *, command: str) -> dict[str, str]:
    """Return file names and contents of generated documents; the first line names the command."""
    header = f"{_HEADER}{command}`; change the models and run it again.\n"
    return {name: header + yaml.dumps(document) for name, document in documents}


_HEADER: Final = "# Generated by `"


def leftovers(folder: pathlib.Path, names: Iterable[str], *, command: str) -> list[pathlib.Path]:
    """Return files in a directory that the command generated earlier but no longer does.

    They are recognized by their first line, comparing the command only up to its options: another
    Api may have its files in the same directory.
    """
    current = set(names)
    beginning = f"{_HEADER}{command}".encode()
    return [
        path
        for path in sorted(folder.glob("*.yaml"))
        if path.name not in current and path.is_file() and _begins(path, beginning)
    ]


def _begins(path: pathlib.Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        start = file.read(len(beginning) + 1)
    return start[:-1] == beginning and start[-1:] in {b"`", b" "}
