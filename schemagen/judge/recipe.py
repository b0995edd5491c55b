"""Build recipe of the judge's module: Go flags, and dependencies to leave out. Shell: files.

Standard library only, as the wheel's build hook loads this file by path.
"""

import json
import pathlib
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

TARGET = {"GOOS": "wasip1", "GOARCH": "wasm", "CGO_ENABLED": "0", "GOWORK": "off"}

# No paths of the machine: the same sources give the same bytes in any directory.
FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-buildmode=c-shared")

# Files of the modules to leave out, by module; see lay_out for why none is needed. For Kubernetes
# 1.37: the build fails if one does not exist, or is needed after all.
LEFT_OUT: Mapping[str, Collection[str]] = {
    # The client of webhooks; only validation.go, which validates a CRD's conversion webhook, is
    # called. 26 MB: it brings gRPC, whose golang.org/x/net/trace runs html/template, which calls
    # methods by name, so that the linker cannot drop methods of any type.
    "k8s.io/apiserver": (
        "pkg/util/webhook/authentication.go",
        "pkg/util/webhook/client.go",
        "pkg/util/webhook/error.go",
        "pkg/util/webhook/metrics.go",
        "pkg/util/webhook/serviceresolver.go",
        "pkg/util/webhook/webhook.go",
    ),
    # Registers Pod and the like in a scheme, which needs all methods of its types; CEL's authorizer
    # and the judge use constants of these packages. 7 MB.
    "k8s.io/api": (
        "authentication/v1/register.go",
        "core/v1/register.go",
        # Protobuf, which manifests never use. 0.7 MB.
        "admissionregistration/v1/generated.pb.go",
    ),
    # All CEL extensions by name, for configuration files; the API server calls its own. 0.5 MB.
    "github.com/google/cel-go": ("ext/extension_option_factory.go",),
    # OpenAPI documents from protobuf, for clients of an API server. 0.4 MB.
    "k8s.io/kube-openapi": ("pkg/validation/spec/gnostic.go",),
    # Rules for metadata alone, which the called validation includes as well.
    "k8s.io/kubernetes": ("pkg/apis/admissionregistration/v1/zz_generated.validations.go",),
}

# Packages needed for a few declarations, by module and folder: these are kept, with everything they
# refer to in the package, and its imports. The validation of webhook configurations shares files
# with that of policies and of every core kind, and brings audit logs, informers and 460 more
# packages. 23 MB, of which 4 MB are needed.
REDUCED: Mapping[str, Mapping[str, Collection[str]]] = {
    "k8s.io/apiserver": {
        "pkg/admission/plugin/cel": (
            "ExpressionAccessor",
            "NewCompiler",
            "OptionalVariableDeclarations",
        ),
        "pkg/admission/plugin/webhook/matchconditions": ("MatchCondition",),
    },
    "k8s.io/kubernetes": {
        "pkg/apis/admissionregistration/v1beta1": ("SchemeGroupVersion",),
        "pkg/apis/admissionregistration/validation": (
            "ValidateMutatingWebhookConfiguration",
            "ValidateStaticSuffix",
            "ValidateValidatingWebhookConfiguration",
            "WarningsForMutatingWebhookRules",
            "WarningsForValidatingWebhookRules",
        ),
        "pkg/apis/core/validation": ("ValidateQualifiedName",),
    },
}

# Only these folders of these modules, those in REDUCED, and go.mod are unpacked: all of Kubernetes
# has 12,000 files.
UNPACKED: Mapping[str, Collection[str]] = {
    "k8s.io/kubernetes": (
        "pkg/apis/admissionregistration",
        "pkg/apis/admissionregistration/v1",
        "pkg/kubeapiserver/admission/exclusion",
    ),
}


class GoneError(Exception):
    """A file or name listed here does not exist. Read by whoever upgrades Kubernetes."""


def sources(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the source files of the module in this file's folder, sorted."""
    return sorted([*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"])


def lay_out(source: pathlib.Path, folder: pathlib.Path, go: Callable[..., str]) -> None:
    """Prepare a folder for ``go build``: the sources, and modules without what is left out.

    What is left out serves an API server that communicates. No verdict can depend on it: the rest
    does not refer to it, or would not compile, and at startup it only registers metrics, debug
    pages and types of other API groups. The linker drops uncalled code, but not what package
    variables and ``init`` functions refer to: of 71 MB and 666 packages, 38 MB and 487 packages
    remain for CRDs, and 1 MB more for webhook configurations.

    The modules are unpacked from Go's module cache, whose archives it has verified against go.sum;
    copies are needed, as ``go build -overlay`` rejects files of the cache.

    Args:
        source: The folder of this file.
        folder: An empty or nonexistent folder.
        go: Runs Go in ``folder`` with these arguments, and returns its output.

    Raises:
        GoneError: if a module lacks a listed file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sources(source):
        shutil.copyfile(path, folder / path.name)
    replacements = [
        f"replace {module['Path']} => ./{_unpacked(module, folder)}\n"
        for module in _objects(go("mod", "download", "-json", *LEFT_OUT))
    ]
    with (folder / "go.mod").open("a") as file:
        file.writelines(replacements)


def _objects(text: str) -> Iterator[dict[str, str]]:
    """Parse consecutive JSON objects, skipping warnings that Go may print before."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        value, end = decoder.raw_decode(text, start)
        yield value
        start = text.find("{", end)


def _unpacked(module: Mapping[str, str], folder: pathlib.Path) -> str:
    """Unpack a module without its tests; return the name of its folder."""
    import zipfile  # noqa: PLC0415 - 5 ms that who only asks for the module's digest saves

    path, name = module["Path"], f"{module['Path']}@{module['Version']}"
    left_out = {f"{name}/{file}" for file in LEFT_OUT[path]}
    with zipfile.ZipFile(module["Zip"]) as archive:
        names = set(archive.namelist())
        if gone := sorted(left_out - names):
            raise _gone(gone, "to leave out of the judge", "LEFT_OUT")
        archive.extractall(
            folder,
            (file for file in names - left_out if not _is_test(file) and _is_unpacked(file, path)),
        )
    for package, kept in REDUCED.get(path, {}).items():
        _reduce(folder / name / package, kept)
    return name


def _is_test(path: str) -> bool:
    return path.endswith("_test.go") or "/testdata/" in path


def _is_unpacked(file: str, module: str) -> bool:
    if module not in UNPACKED:
        return True
    package, _, name = file.partition("@")[2].partition("/")[2].rpartition("/")
    return package in {*UNPACKED[module], *REDUCED.get(module, ())} or (package, name) == (
        "",
        "go.mod",
    )


def _gone(names: Iterable[str], purpose: str, place: str) -> GoneError:
    return GoneError(
        f"expected {', '.join(names)} {purpose}, got a module without; "
        f"change {place} in schemagen/judge/recipe.py for this version"
    )


# A declaration with its comment, in gofmt's layout: a block opened at the left margin ends there.
_DECLARATION = re.compile(
    r"^(?://[^\n]*\n)*(?:func|var|const|type) (?:[^\n]*[({]\n.*?^[)}]\n|[^\n]*\n)",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"//.*$", re.MULTILINE)
_METHOD = re.compile(r"func \(\w* ?\*?(\w+)")
_NAME = re.compile(r"(?:func|var|const|type) (\w+)")
_GROUPED = re.compile(r"^\t(\w+)", re.MULTILINE)
_WORD = re.compile(r"(?<![\w.])\w+")
_IMPORT = re.compile(r'^(?:\t|import )(?:(\w+) )?"([^"]+)"\n', re.MULTILINE)


def _reduce(package: pathlib.Path, kept: Collection[str]) -> None:
    """Reduce a package to the named declarations and their references; empty files are removed."""
    texts = {path: path.read_text() for path in sorted(package.glob("*.go"))}
    declarations = [
        (path, declaration)
        for path, text in texts.items()
        for declaration in _DECLARATION.findall(text)
    ]
    if gone := set(kept).difference(*(_declared(declaration) for _, declaration in declarations)):
        names = (f"{package.name}.{name}" for name in sorted(gone))
        raise _gone(names, "to keep in the judge", "REDUCED")
    reached = _reached([declaration for _, declaration in declarations], kept)
    for path, text in texts.items():
        body = "\n".join(
            declaration
            for file, declaration in declarations
            if file == path and declaration in reached
        )
        path.unlink()
        if body:
            head = text[: _DECLARATION.search(text).start()]  # type: ignore[union-attr] # it has some
            path.write_text(_imports(head, _COMMENT.sub("", body)) + body)


def _reached(declarations: Collection[str], kept: Collection[str]) -> set[str]:
    """Return the declarations reachable from names; a type is reached with its methods."""
    reached: set[str] = set()
    names = {*kept}
    while (
        added := {declaration for declaration in declarations if _declared(declaration) & names}
        - reached
    ):
        reached |= added
        names.update(*(_WORD.findall(_COMMENT.sub("", declaration)) for declaration in added))
    return reached


def _declared(declaration: str) -> set[str]:
    """Return the names that a declaration introduces; for a method, its type's."""
    code = _COMMENT.sub("", declaration).lstrip()
    match = _METHOD.match(code) or _NAME.match(code)
    return {match[1]} if match else set(_GROUPED.findall(code))


def _imports(head: str, code: str) -> str:
    """Return the start of a file with only the imports that the code uses."""

    def kept(match: re.Match[str]) -> str:
        name = match[1] or match[2].rpartition("/")[2]
        return match[0] if name == "_" or re.search(rf"\b{name}\.", code) else ""

    return _IMPORT.sub(kept, head)
