"""SPDX documents are valid, and have what is in a binary and in installed packages."""

import datetime as dt
import json
import pathlib
from typing import Any

import pytest
from spdx_tools.spdx.parser.jsonlikedict import json_like_dict_parser
from spdx_tools.spdx.validation import document_validator

from controllers.agentctl.sbom import __main__, contents, documents, go_modules
from schemagen.judge import module

DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def problems(document: Any) -> list[str]:
    """What the validator of the SPDX project says."""
    parser = json_like_dict_parser.JsonLikeDictParser()  # type: ignore[no-untyped-call] # no types
    parsed = parser.parse(document)
    found = document_validator.validate_full_spdx_document(parsed)
    return [problem.validation_message for problem in found]


def distribution(lib: pathlib.Path, name: str, metadata: str, **boms: Any) -> None:
    folder = lib / f"{name}-1.0.dist-info"
    (folder / "sboms").mkdir(parents=True)
    (folder / "METADATA").write_text(metadata)
    for file, bom in boms.items():
        (folder / "sboms" / f"{file}.json").write_text(json.dumps(bom))


@pytest.fixture
def lib(tmp_path: pathlib.Path) -> pathlib.Path:
    """Two packages: one with an SBOM of each format, one of before PEP 639."""
    inside = documents.Component("example.com/a b", "v1", "pkg:golang/example.com/a@v1")
    spdx = documents.document(documents.Component("one", "1.0", contains=(inside,)), created=DAY)
    crate = {"name": "ring", "version": "0.17", "purl": "pkg:cargo/ring@0.17"}
    metadata = (
        "Metadata-Version: 2.4\nName: one\nVersion: 1.0\nLicense-Expression: MIT\n\nLicense: x"
    )
    distribution(
        tmp_path,
        "one",
        metadata,
        spdx=json.loads(spdx),
        cyclonedx={"bomFormat": "CycloneDX", "components": [crate, crate]},
    )
    distribution(tmp_path, "two", "Name: Two_x\nVersion: 2\nLicense: Ours\n        all of it\n")
    return tmp_path


def test_document_of_an_image_is_valid_and_has_what_its_packages_bundle(
    lib: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")

    code = __main__.main([str(lib), "--name", "kubewright/agents"])

    document = json.loads(capsys.readouterr().out)
    packages = {package["name"]: package for package in document["packages"]}
    names = {package["SPDXID"]: package["name"] for package in document["packages"]}
    related = [
        (names.get(item["spdxElementId"]), names[item["relatedSpdxElement"]])
        for item in document["relationships"]
    ]
    assert 0 == code
    assert [] == problems(document)
    assert "2026-01-01T00:00:00Z" == document["creationInfo"]["created"]
    assert [
        (None, "kubewright/agents"),
        ("kubewright/agents", "one"),
        ("kubewright/agents", "Two_x"),
        ("one", "ring"),
        ("one", "example.com/a b"),
    ] == related
    assert ("MIT", "NOASSERTION", "Ours") == (
        packages["one"]["licenseDeclared"],
        packages["Two_x"]["licenseDeclared"],
        packages["Two_x"]["licenseComments"],
    )
    assert "pkg:pypi/two-x@2" == packages["Two_x"]["externalRefs"][0]["referenceLocator"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("one-1.0.dist-info/METADATA", "Name: one\n", "expected Name and Version"),
        ("one-1.0.dist-info/sboms/spdx.json", "{", "expected an SBOM of SPDX or CycloneDX"),
        ("one-1.0.dist-info/sboms/spdx.json", '{"spdxVersion": 2}', "KeyError('packages')"),
        ("one-1.0.dist-info/sboms/spdx.json", "[]", "expected an SBOM of SPDX or CycloneDX"),
    ],
)
def test_unreadable_file_of_a_package_is_named(
    lib: pathlib.Path, capsys: pytest.CaptureFixture[str], name: str, content: str, expected: str
) -> None:
    (lib / name).write_text(content)

    code = __main__.main([str(lib), "--name", "image"])

    output = capsys.readouterr()
    assert (1, "") == (code, output.out)
    assert expected in output.err
    assert name in output.err


def test_directory_without_packages_has_no_document(tmp_path: pathlib.Path) -> None:
    with pytest.raises(contents.UnreadableError, match="expected a directory with Python packages"):
        contents.packages(tmp_path)


def test_modules_are_those_that_the_judge_was_linked_from() -> None:
    path = module.find()
    assert path is not None, "run `make judge`"

    found = {
        name: (version, comment) for name, version, comment in go_modules.linked(path.read_bytes())
    }

    required = (module.SOURCE / "go.mod").read_text()
    versions = {f"{name} {version}" for name, (version, _) in found.items() if name != "stdlib"}
    assert [] == [version for version in versions if version not in required]
    assert go_modules.REDUCED == found["k8s.io/kubernetes"][1]
    assert "" == found["sigs.k8s.io/json"][1]
    assert found["stdlib"][0].startswith("1.")
    assert len(found) > 40


def test_binary_without_build_information_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a WebAssembly module with Go's build inf"):
        go_modules.linked(b"\0asm")


def test_document_of_the_same_content_is_the_same_and_of_another_is_not() -> None:
    one = documents.Component("a", "1")

    texts = [
        documents.document(one, created=DAY),
        documents.document(documents.Component("a", "1"), created=DAY),
        documents.document(documents.Component("a", "1", license="MIT"), created=DAY),
    ]

    namespaces = [json.loads(text)["documentNamespace"] for text in texts]
    assert texts[0] == texts[1]
    assert namespaces[0] != namespaces[2]
