"""A migration guide says what the conversion does, and its examples are valid in their versions.

That the guide of the platform is current is tested with docs/reference-pages.md.
"""

import pathlib
import re

import pytest
from typer.testing import CliRunner

from crds import api as platform
from schemagen import judge, yaml
from schemagen.cli import commands
from schemagen.crd import definitions
from schemagen.model import registry
from schemagen.pages import examples
from schemagen.pages.documents import Heading
from tests.support import guide_api, page_checks

ROOT = pathlib.Path(__file__).parents[4]
GUIDE = ROOT / "docs/migration-guide.md"
WIDGET = """\
apiVersion: example.com/v1alpha1
kind: Widget
metadata: {name: one}
spec: {instances: 3, timeoutSeconds: 90, image: "app:2", cluster: east, password: secret}
"""


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands.app, ["guide", *arguments])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    example = tmp_path_factory.mktemp("examples") / "widget.yaml"
    example.write_text(WIDGET)
    code, text = run("tests.support.guide_api:api", "v1alpha1", "v1", "--examples", str(example))
    assert 0 == code, text
    return text


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    part = text.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def broken_links(text: str, folder: pathlib.Path) -> list[str]:
    """The links of a Markdown document that lead nowhere."""
    plain = re.sub(r"^```.*?^```|(`+).+?\1", "", text, flags=re.MULTILINE | re.DOTALL)
    anchors = {Heading(1, line).anchor for line in re.findall(r"^#+ (.*)$", plain, re.MULTILINE)}
    targets = [target.partition("#") for target in re.findall(r"\]\(([^)]+)\)", plain)]
    return [
        "".join(target)
        for target in targets
        if not (folder / target[0]).exists() or (not target[0] and target[2] not in anchors)
    ]


def refused(text: str, api: registry.Api) -> list[str]:
    """What the API server says of the examples of a guide, each in its version."""
    found = []
    values = [yaml.load(one.encode()) for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    with judge.Judge() as oracle:
        for kind in api.kinds:
            own = [value for value in values if value["kind"] == kind.name]
            assert {version.name for version in kind.versions} == {
                value["apiVersion"].rpartition("/")[2] for value in own
            }
            with oracle.load(definitions.crd(api, kind, webhook=definitions.NOWHERE)) as crd:
                verdicts = [crd.create(examples.named(value, kind.scope)) for value in own]
            found += [verdict.message for verdict in verdicts if not verdict.allowed]
    return found


def test_every_field_has_its_counterpart(written: str) -> None:
    rows = table(written, "Widget: fields")

    together = "converted together with other fields"
    seconds = "renamed; seconds become a duration: `5400` is `1h30m`"
    assert [
        ["`spec.instances`", "`spec.replicas`", "renamed"],
        ["`spec.timeoutSeconds`", "`spec.timeout`", seconds],
        ["`spec.mode`", "`spec.mode`", "`slow` is `Slow`, `fast` is `Fast`"],
        ["`spec.image`", "`spec.repository`", together],
        ["`spec.image`", "`spec.tag`", together],
        ["`spec.password`", "\u2014", "not kept, on purpose"],
        ["`spec.cluster`", "\u2014", "not in v1"],
    ] == [row[:3] for row in rows]
    assert "1 field is not listed here: the same in v1." in written


def test_values_that_only_one_version_can_say_are_shown(written: str) -> None:
    kept = {row[0]: row[3] for row in table(written, "Widget: fields")}

    assert "v1: such as `Auto`" == kept["`spec.mode`"]
    assert kept["`spec.timeoutSeconds`"].startswith("v1alpha1: such as `-1`, `2147483648`; v1: ")
    assert "v1alpha1: such as `a`" in kept["`spec.image`"]
    assert "Not kept:\n\n- `Widget spec.password`\n" in written


def test_new_fields_defaults_and_stricter_rules_are_listed(written: str) -> None:
    assert [["`spec.priority`", "Priority; \\<b\\>higher\\</b\\> is first.", "absent"]] == table(
        written, "Widget: new in v1"
    )
    assert [["`spec.replicas`", "`1`", "`2`"]] == table(written, "Widget: defaults")
    assert [
        ["`spec.name`", "`maxLength 9`"],
        ["`spec`", "too many `replicas`: `self.replicas < 50`"],
    ] == table(written, "Widget: stricter in v1")
    assert "Writes in v1alpha1 that break these rules are refused." in written


def test_example_is_converted_and_its_warnings_are_told(written: str) -> None:
    old, new = [
        yaml.load(one.encode()) for one in re.findall(r"```yaml\n(.*?)```", written, re.DOTALL)
    ]

    assert yaml.load(WIDGET.encode()) == old
    assert {"replicas": 3, "timeout": "1m30s", "repository": "app", "tag": "2"} == new["spec"]
    assert "secret" not in str(new)
    assert "- spec.cluster: is ignored by v1\n" in written
    assert [] == refused(written, guide_api.api)


def test_commands_name_the_api_and_its_crds(written: str) -> None:
    commands_of = re.findall(r"^\$ (.*)$", written, re.MULTILINE)

    assert {
        "schemagen convert tests.support.guide_api:api -f manifests/ --to v1 --in-place",
        "kubectl apply --server-side --dry-run=server -f manifests/",
        "schemagen migrate plan widgets.example.com --to v1",
        "schemagen migrate run widgets.example.com --to v1 --drop v1alpha1",
        "schemagen migrate rollback widgets.example.com --to v1alpha1",
    } <= {*commands_of}


def test_links_of_a_guide_lead_somewhere(written: str, tmp_path: pathlib.Path) -> None:
    assert [] == broken_links(written, tmp_path)
    assert ["#nowhere", "gone.md"] == broken_links("[a](#nowhere) [b](gone.md)", tmp_path)


def test_page_of_a_guide_can_be_read_by_anybody(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "guide.html"

    code, _ = run("tests.support.harbor:api", "v1", "v3", "-o", "html", "--out", str(out))

    assert 0 == code
    assert [] == page_checks.faults({"guide.html": out.read_text()})
    assert "Berth v1 to v2: fields" in out.read_text()
    assert "Berth v2 to v3: fields" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("v1", "v1alpha1"), "expected a kind with v1 and a newer version v1alpha1, got none"),
        (("v1alpha1", "v7"), "the versions of example.com are v1, v1alpha1"),
        (("v1alpha1", "v1", "--check"), "expected --out with --check, got none"),
    ],
)
def test_wrong_input_is_explained(arguments: tuple[str, ...], message: str) -> None:
    code, text = run("tests.support.guide_api:api", *arguments)

    assert 2 == code
    assert message in text


def test_example_that_is_invalid_in_the_other_version_is_refused(tmp_path: pathlib.Path) -> None:
    example = tmp_path / "widget.yaml"
    example.write_text(WIDGET.replace("instances: 3", "instances: 99"))

    code, text = run("tests.support.guide_api:api", "v1alpha1", "v1", "--examples", str(example))

    assert 2 == code
    assert "widget.yaml:1: expected an example that is valid in v1 as well, got:" in text
    assert "too many `replicas`" in text


def test_check_tells_an_outdated_guide(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "guide.md"
    arguments = ("tests.support.guide_api:api", "v1alpha1", "v1", "--out", str(out))
    run(*arguments)
    current, _ = run(*arguments, "--check")
    out.write_text(out.read_text().replace("1h30m", "90m"))

    code, text = run(*arguments, "--check")

    assert (0, 1) == (current, code)
    assert f"{out}: not current" in text


def test_examples_in_the_guide_of_the_platform_are_valid_in_their_versions() -> None:
    text = GUIDE.read_text()

    assert [] == refused(text, platform)


def test_links_in_the_guide_of_the_platform_lead_somewhere() -> None:
    assert [] == broken_links(GUIDE.read_text(), GUIDE.parent)
