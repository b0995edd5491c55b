"""How the judge's module is built: what Go is told, and what is left out. Shell: files.

Needs the standard library alone, for the wheel's build hook loads this file by its path.
"""

import json
import pathlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping

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
    "k8s.io/api": ("authentication/v1/register.go", "core/v1/register.go"),
    # All extensions of CEL by name, for configuration files; the API server calls its own. 0.5 MB.
    "github.com/google/cel-go": ("ext/extension_option_factory.go",),
    # OpenAPI documents from protobuf, as clients of an API server get them. 0.4 MB.
    "k8s.io/kube-openapi": ("pkg/validation/spec/gnostic.go",),
}


class GoneError(Exception):
    """A file to leave out is not there: who moves the judge to another Kubernetes reads this."""


def sources(folder: pathlib.Path) -> list[pathlib.Path]:
    """What the module is built from, in the folder of this file, in order."""
    return sorted([*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"])


def lay_out(source: pathlib.Path, folder: pathlib.Path, go: Callable[..., str]) -> None:
    """Fill a folder to run ``go build`` in: the sources, and modules without what is left out.

    What is left out serves an API server that talks to others. No verdict can depend on it: what
    remains does not refer to it, or would not compile, and all that it does by itself at start is
    to register metrics, debug pages and types of other API groups. The linker drops by itself what
    is not called, but not what package variables and ``init`` functions refer to: of 71 MB and 666
    packages, 38 MB and 487 packages are left.

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

    name = f"{module['Path']}@{module['Version']}"
    left_out = {f"{name}/{path}" for path in LEFT_OUT[module["Path"]]}
    with zipfile.ZipFile(module["Zip"]) as archive:
        names = set(archive.namelist())
        if gone := sorted(left_out - names):
            raise GoneError(
                f"expected {', '.join(gone)} to leave out of the judge, got a module without; "
                "change LEFT_OUT in schemagen/judge/recipe.py for this version"
            )
        archive.extractall(folder, (path for path in names - left_out if not _is_test(path)))
    return name


def _is_test(path: str) -> bool:
    return path.endswith("_test.go") or "/testdata/" in path
