"""Judges of older minor versions: the sources of the newest one, changed for their modules. Shell.

``older/1.N/go.mod`` locks the modules of a minor version. Of the newest judge's sources, those that
judge CRDs and their objects are taken, with ``EDITS``: what a minor version does otherwise or calls
otherwise, as its own k8s.io/apiextensions-apiserver shows. Each must apply, so that a change of the
sources cannot silently lose one.
"""

import dataclasses
import functools
import hashlib
import pathlib
import zipfile
from collections.abc import Callable, Collection, Mapping
from typing import Final

from schemagen.judge import recipe

HERE: Final = pathlib.Path(__file__).parent
OLDER: Final = HERE / "older"

# All but manifests, match conditions and webhook configurations, which no verdict on a CRD needs.
SOURCES: Final = (
    "costs.go",
    "decoding.go",
    "definition.go",
    "main.go",
    "object.go",
    "requests.go",
    "shape.go",
    "verdict.go",
    "version.go",
    "warnings.go",
)

# What of their modules is left out, as of the newest judge's, where it makes most of the size.
LEFT_OUT: Final[Mapping[str, Collection[str]]] = {
    "k8s.io/apiserver": recipe.LEFT_OUT["k8s.io/apiserver"],
    "k8s.io/api": ("authentication/v1/register.go", "core/v1/register.go"),
}

# Until 1.31 CEL's authorizer brings a client of service accounts, whose scheme calls the latter.
_WITH_SCHEME: Final = 31

OLDEST: Final = 29
NEWEST: Final = 37
"""The judge in the wheel; ``go.mod`` beside this file."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """A change of a source file for minor versions.

    Attributes:
        file: The source file.
        before: What is replaced, wherever it stands.
        after: What replaces it.
        until: The newest minor version it is for.
        since: The oldest one.
        within: The beginning of a function, if only that is changed.
    """

    file: str
    before: str
    after: str
    until: int
    since: int = OLDEST
    within: str = ""

    def applied(self, text: str) -> str:
        """Return the changed text.

        Raises:
            recipe.GoneError: if there is nothing to change.
        """
        start = text.find(self.within)
        end = text.find("\n}\n", start) if self.within else len(text)
        if self.before not in text[max(start, 0) : end] or start < 0:
            raise recipe.GoneError(
                f"expected {self.before!r} in schemagen/judge/{self.file}, got none; change EDITS "
                "in schemagen/judge/minors.py"
            )
        return text[:start] + text[start:end].replace(self.before, self.after) + text[end:]


_STATUS: Final = "func (v *version) validateStatusUpdate("
_UPDATE: Final = "func (v *version) validateUpdate("
_RATCHETING: Final = ", cel.WithRatcheting(correlated)"

EDITS: Final = (
    # Calls that were other ones.
    Edit("object.go", "objectmeta.Validate(context.Background(), ", "objectmeta.Validate(", 36),
    Edit("object.go", '\tapioperation "k8s.io/apimachinery/pkg/api/operation"\n', "", 36),
    Edit("object.go", "apioperation.Create", "create", 36),
    Edit("object.go", "apioperation.Update", "update", 36),
    Edit("object.go", "verb apioperation.Type", "verb operation", 36),
    Edit(
        "object.go",
        "\treturn metavalidation.ValidateObjectMetaDeclaratively(\n"
        "\t\tcontext.Background(), verb, meta, oldMeta, v.namespaced, name, "
        'field.NewPath("metadata"), true)\n',
        "\tif verb == create {\n"
        "\t\treturn metavalidation.ValidateObjectMeta("
        'meta, v.namespaced, name, field.NewPath("metadata"))\n'
        "\t}\n"
        "\treturn metavalidation.ValidateObjectMetaUpdate("
        'meta, oldMeta, field.NewPath("metadata"))\n',
        36,
    ),
    Edit("requests.go", "api/validate/content", "api/validation/path", 35),
    Edit("requests.go", "content.IsPathSegment", "path.IsValidPathSegment", 35),
    Edit(
        "costs.go",
        "MustBaseEnvSet(environment.DefaultCompatibilityVersion())",
        "MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true)",
        34,
        since=30,
    ),
    # Warnings that there were not: of sets of objects until 1.37, of formats until 1.34.
    Edit("warnings.go", "\tfound.Insert(setWarnings(crd)...)\n", "", 36),
    Edit("warnings.go", "\t\tfound.Delete(setWarnings(old)...)\n", "", 36),
    Edit(
        "warnings.go",
        "schemavalidation.GetUnrecognizedFormats(probe, environment.DefaultCompatibilityVersion())",
        "noFormats(probe)",
        33,
    ),
    Edit(
        "warnings.go",
        '\tschemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"\n',
        "",
        33,
    ),
    Edit("warnings.go", '\t"k8s.io/apiserver/pkg/cel/environment"\n', "", 33),
    Edit(
        "warnings.go",
        "func setWarnings(",
        "func noFormats(*spec.Schema) []string { return nil }\n\nfunc setWarnings(",
        33,
    ),
    Edit("warnings.go", 'path = " including a path (/)"', 'path = ""', 31),
    # Ratcheting: of a status from 1.33; of an object from 1.30, where its feature gate is on.
    Edit(
        "object.go",
        ',\n\t\t\tschemavalidation.WithRatcheting(correlated.Key("status"))',
        "",
        32,
        within=_STATUS,
    ),
    Edit("object.go", _RATCHETING, "", 32, within=_STATUS),
    Edit("object.go", "correlated := ", "_ = ", 32, within=_STATUS),
    Edit("object.go", 'field.NewPath("status"), status', "nil, status", 30, within=_STATUS),
    Edit(
        "object.go",
        ", schemavalidation.WithRatcheting(correlated)",
        "",
        29,
        within=_UPDATE,
    ),
    Edit("object.go", _RATCHETING, "", 29, within=_UPDATE),
    Edit("object.go", "correlated := ", "_ = ", 29, within=_UPDATE),
    # Fields of a disabled feature, which customresourcedefinition/strategy.go drops in silence.
    Edit(
        "definition.go",
        "\terrs := crdvalidation.ValidateCustomResourceDefinition(",
        "\tsaid.dropped = dropDisabled(crd, nil)\n"
        "\terrs := crdvalidation.ValidateCustomResourceDefinition(",
        30,
    ),
    Edit(
        "definition.go",
        "\tkeep(crd, old)\n",
        "\tsaid.dropped = dropDisabled(crd, old)\n\tkeep(crd, old)\n",
        30,
    ),
    Edit("warnings.go", "struct{ texts []string }", "struct{ texts, dropped []string }", 30),
    Edit(
        "verdict.go",
        "Warnings: said.texts}",
        "Warnings: said.texts, Dropped: said.dropped}",
        30,
    ),
    Edit(
        "verdict.go",
        "given.Warnings = said.texts",
        "given.Warnings, given.Dropped = said.texts, said.dropped",
        30,
    ),
    Edit(
        "verdict.go",
        '\tObject   map[string]any `json:"object,omitempty"`\n',
        '\tObject   map[string]any `json:"object,omitempty"`\n'
        '\tDropped  []string       `json:"dropped,omitempty"`\n',
        30,
    ),
)


@dataclasses.dataclass(frozen=True, order=True)
class Minor:
    """An older minor version that there is a judge of.

    Attributes:
        number: 34 of 1.34.
    """

    number: int

    def __str__(self) -> str:
        return f"1.{self.number}"

    @property
    def folder(self) -> pathlib.Path:
        """Return the directory of its go.mod, and of sources of its own."""
        return OLDER / str(self)

    def sources(self) -> Mapping[str, bytes]:
        """Return what it is built from, by file name.

        Raises:
            recipe.GoneError: if an edit does not apply.
        """
        texts = {name: (HERE / name).read_text() for name in SOURCES}
        for edit in EDITS:
            if edit.since <= self.number <= edit.until:
                texts[edit.file] = edit.applied(texts[edit.file])
        own = {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}
        return {name: text.encode() for name, text in texts.items()} | own

    @functools.cached_property
    def digest(self) -> str:
        """Return the digest of all that its module is built from."""
        digest = hashlib.sha256(repr((recipe.TARGET, recipe.FLAGS, self.left_out)).encode())
        for name, content in self.sources().items():
            digest.update(name.encode() + b"\0" + content + b"\0")
        return digest.hexdigest()[:16]

    @property
    def left_out(self) -> Mapping[str, Collection[str]]:
        """Return what of its modules is left out."""
        kept = {"k8s.io/api"} if self.number <= _WITH_SCHEME else set()
        return {module: files for module, files in LEFT_OUT.items() if module not in kept}

    def lay_out(self, folder: pathlib.Path, go: Callable[..., str]) -> None:
        """Fill a folder to run ``go build`` in, as ``recipe.lay_out`` does for the newest judge.

        Raises:
            recipe.GoneError: if an edit does not apply, or a file is not in a module.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.sources().items():
            (folder / name).write_bytes(content)
        answer = go("mod", "download", "-json", *self.left_out)
        replaced = [self._unpacked(found, folder) for found in recipe._objects(answer)]  # noqa: SLF001 - ours
        with (folder / "go.mod").open("a") as file:
            file.writelines(replaced)

    def _unpacked(self, module: Mapping[str, str], folder: pathlib.Path) -> str:
        """Unpack a module without what is left out; return the line of go.mod that replaces it."""
        path, name = module["Path"], f"{module['Path']}@{module['Version']}"
        left_out = {f"{name}/{file}" for file in self.left_out[path]}
        with zipfile.ZipFile(module["Zip"]) as archive:
            names = set(archive.namelist())
            if gone := sorted(left_out - names):
                raise recipe.GoneError(f"expected {', '.join(gone)} to leave out, got no such file")
            archive.extractall(
                folder, (file for file in names - left_out if not file.endswith("_test.go"))
            )
        return f"replace {path} => ./{name}\n"


OLDER_ONES: Final = tuple(map(Minor, range(OLDEST, NEWEST)))
