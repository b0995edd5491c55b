"""How the judge's module is built: what Go is told, and what is left out. Shell: files.

Needs the standard library alone, for the wheel's build hook loads this file by its path.
"""

import json
import pathlib
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

TARGET = {"GOOS": "wasip1", "GOARCH": "wasm", "CGO_ENABLED": "0", "GOWORK": "off"}

# Nothing of the machine in it: the same sources give the same bytes in any folder.
FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-buildmode=c-shared")

# Files of the modules that the judge is built from, by module; lay_out says why none is missed.
# As Kubernetes 1.37 has them: the build fails if one is not there, or is needed after all.
LEFT_OUT: Mapping[str, Collection[str]] = {
    # The client of webhooks; only validation.go, which judges a CRD's conversion webhook, is
    # called. 26 MB: it comes with gRPC, whose golang.org/x/net/trace runs html/template, which
    # calls methods by names that the linker cannot know, so that it drops no method of any type.
    "k8s.io/apiserver": (
        "pkg/util/webhook/authentication.go",
        "pkg/util/webhook/client.go",
        "pkg/util/webhook/error.go",
        "pkg/util/webhook/metrics.go",
        "pkg/util/webhook/serviceresolver.go",
        "pkg/util/webhook/webhook.go",
    ),
    # What puts Pod and the like into a scheme, which needs all methods of its types; CEL's
    # authorizer and the judge read names of constants in these packages. 7 MB.
    "k8s.io/api": (
        "authentication/v1/register.go",
        "core/v1/register.go",
        # Protobuf, which no manifest is in. 0.7 MB.
        "admissionregistration/v1/generated.pb.go",
    ),
    # All extensions of CEL by name, for configuration files; the API server calls its own. 0.5 MB.
    "github.com/google/cel-go": ("ext/extension_option_factory.go",),
    # OpenAPI documents from protobuf, as clients of an API server get them. 0.4 MB.
    "k8s.io/kube-openapi": ("pkg/validation/spec/gnostic.go",),
    # Rules about metadata alone, which the validation that is called asks for, too.
    "k8s.io/kubernetes": ("pkg/apis/admissionregistration/v1/zz_generated.validations.go",),
}

# Packages that are needed for a few declarations, by module and folder: these are kept, with what
# they refer to in the package, and the imports of that. The validation of webhook configurations
# lies in files with that of policies and of every core kind, and brings audit logs, informers and
# 460 packages more. 23 MB, of 4 MB for what is asked.
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

# Of these modules nothing else is unpacked than these folders, those in REDUCED, and go.mod: all of
# Kubernetes has 12,000 files.
UNPACKED: Mapping[str, Collection[str]] = {
    "k8s.io/kubernetes": (
        "pkg/apis/admissionregistration",
        "pkg/apis/admissionregistration/v1",
        "pkg/kubeapiserver/admission/exclusion",
    ),
}


class GoneError(Exception):
    """What a list here names is not there: who moves the judge to another Kubernetes reads this."""


def sources(folder: pathlib.Path) -> list[pathlib.Path]:
    """What the module is built from, in the folder of this file, in order."""
    return sorted([*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"])


def lay_out(source: pathlib.Path, folder: pathlib.Path, go: Callable[..., str]) -> None:
    """Fill a folder to run ``go build`` in: the sources, and modules without what is left out.

    What is left out serves an API server that talks to others. No verdict can depend on it: what
    remains does not refer to it, or would not compile, and all that it does by itself at start is
    to register metrics, debug pages and types of other API groups. The linker drops by itself what
    is not called, but not what package variables and ``init`` functions refer to: of 71 MB and 666
    packages, 38 MB and 487 packages are left for CRDs, and 1 MB more for webhook configurations.

    The modules are unpacked from Go's cache, whose archives it has checked against go.sum; they
    have to be copies, for ``go build -overlay`` refuses files of the cache.

    Args:
        source: The folder of this file.
        folder: An empty one, or one that is not there yet.
        go: Runs Go in ``folder`` with these arguments, and returns what it printed.

    Raises:
        GoneError: if there is no such file in a module.
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
    """JSON objects, one after the other; Go may have warned of something before them."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        found, end = decoder.raw_decode(text, start)
        yield found
        start = text.find("{", end)


def _unpacked(module: Mapping[str, str], folder: pathlib.Path) -> str:
    """Unpack a module, without its tests; the name of its folder."""
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


# A declaration with the comment above it, as gofmt lays it out: what it opens at the left margin
# ends there.
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
    """Leave of a package what is named and what that refers to; a file without any is removed."""
    texts = {path: path.read_text() for path in sorted(package.glob("*.go"))}
    found = [(path, one) for path, text in texts.items() for one in _DECLARATION.findall(text)]
    if gone := set(kept).difference(*(_declared(one) for _, one in found)):
        names = (f"{package.name}.{name}" for name in sorted(gone))
        raise _gone(names, "to keep in the judge", "REDUCED")
    reached = _reached([one for _, one in found], kept)
    for path, text in texts.items():
        body = "\n".join(one for file, one in found if file == path and one in reached)
        path.unlink()
        if body:
            head = text[: _DECLARATION.search(text).start()]  # type: ignore[union-attr] # it has some
            path.write_text(_imports(head, _COMMENT.sub("", body)) + body)


def _reached(declarations: Collection[str], kept: Collection[str]) -> set[str]:
    """The declarations of names and of what they name; a type is reached with its methods."""
    reached: set[str] = set()
    names = {*kept}
    while found := {one for one in declarations if _declared(one) & names} - reached:
        reached |= found
        names.update(*(_WORD.findall(_COMMENT.sub("", one)) for one in found))
    return reached


def _declared(declaration: str) -> set[str]:
    """The names that it declares; of a method, its type's."""
    code = _COMMENT.sub("", declaration).lstrip()
    found = _METHOD.match(code) or _NAME.match(code)
    return {found[1]} if found else set(_GROUPED.findall(code))


def _imports(head: str, code: str) -> str:
    """The start of a file with those imports that the code uses."""

    def kept(found: re.Match[str]) -> str:
        name = found[1] or found[2].rpartition("/")[2]
        return found[0] if name == "_" or re.search(rf"\b{name}\.", code) else ""

    return _IMPORT.sub(kept, head)
