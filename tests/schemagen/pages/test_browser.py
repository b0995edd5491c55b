"""The pages in a real browser: with and without scripts, by keyboard, in the dark, on a phone.

`make prove-docs` installs the browser and runs this; without one these tests are errors.
"""

import functools
import json
import pathlib
import re
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from schemagen import yaml
from schemagen.cli import commands
from tests.support import browser
from tests.support.browser import Browser

pytestmark = pytest.mark.browser

ROOT = pathlib.Path(__file__).parents[3]
RUN = "agentruns.agents.proompteng.ai-v1beta1.html"
MEMORY = "memories.agents.proompteng.ai-v1beta1.html"
HOSTILE = "</script><script>document.title='taken'</script><img src=http://127.0.0.1:9/x>"
VISIBLE = """
    const fields = [...document.querySelectorAll('.field')].filter((one) => one.checkVisibility());
    return fields.map((one) => one.dataset.path);
"""
STATUS = "return document.querySelector('[role=status]').textContent"
# WCAG 2.2, success criterion 1.4.3.
LEAST_CONTRAST = 4.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The reference of the platform, that of a hostile CRD, and a guide."""
    made = tmp_path_factory.mktemp("pages")
    properties = {"note": {"type": "string", "description": HOSTILE, "default": HOSTILE}}
    schema = {"type": "object", "description": HOSTILE, "properties": properties}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": spec,
    }
    (made / "crd.yaml").write_text(yaml.dumps(crd))
    samples = str(ROOT / "crds/samples")
    guide = ("guide", "tests.support.harbor:api", "v1", "v3", "-o", "html")
    for arguments in (
        ("docs", "crds:api", "--out", str(made), "--examples", samples),
        ("docs", str(made / "crd.yaml"), "--out", str(made / "hostile")),
        (*guide, "--out", str(made / "guide.html")),
    ):
        done = CliRunner().invoke(commands.app, arguments)
        assert 0 == done.exit_code, done.output
    return made


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser.opened() as found:
        yield found


@pytest.fixture
def tab(opened: Browser) -> Iterator[Browser]:
    """A tab with scripts, in light colours, of the width of a desktop."""
    look(opened, width=1280)
    opened.log("performance")
    opened.log("browser")
    yield opened
    opened.tools("Emulation.setScriptExecutionDisabled", value=False)


def look(tab: Browser, *, width: int, scheme: str = "light") -> None:
    wanted = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wanted.items()]
    tab.tools("Emulation.setEmulatedMedia", features=features)
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    tab.tools("Emulation.setDeviceMetricsOverride", **size)


def loaded(tab: Browser) -> set[str]:
    """The addresses that the browser asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in tab.log("performance")]
    return {
        one["params"]["request"]["url"].partition("#")[0]
        for one in messages
        if one["method"] == "Network.requestWillBeSent"
    }


def test_without_scripts_every_field_is_there_and_the_search_is_not(
    tab: Browser, folder: pathlib.Path
) -> None:
    tab.tools("Emulation.setScriptExecutionDisabled", value=True)

    tab.open((folder / MEMORY).as_uri())

    assert "none" == tab.run("return getComputedStyle(document.querySelector('.search')).display")
    tab.click("[id='spec.connection'] summary")
    visible = tab.run(VISIBLE)
    assert "spec.capabilities" in visible
    assert "spec.connection.secretKeyRef" not in visible
    tab.click("[id='spec.connection'] summary")
    assert "spec.connection.secretKeyRef" in tab.run(VISIBLE)


def test_search_shows_the_fields_that_match_with_those_around_them(
    tab: Browser, folder: pathlib.Path
) -> None:
    tab.open((folder / MEMORY).as_uri())
    before = tab.run(VISIBLE)

    tab.type("/MAXAGE")

    assert ["spec", "spec.retention", "spec.retention.maxAge"] == tab.run(VISIBLE)
    assert re.fullmatch(r"1 of \d+ fields", tab.run(STATUS))

    tab.type(browser.ESCAPE)

    assert (before, "") == (tab.run(VISIBLE), tab.run(STATUS))


def test_every_field_can_be_opened_and_closed_at_once(tab: Browser, folder: pathlib.Path) -> None:
    tab.open((folder / RUN).as_uri())
    every = tab.run("return document.querySelectorAll('.field').length")

    tab.click(".search button")
    shown = len(tab.run(VISIBLE))
    tab.click(".search button")

    assert (every, ["spec", "status"]) == (shown, tab.run(VISIBLE))


def test_link_to_a_field_opens_what_is_around_it(tab: Browser, folder: pathlib.Path) -> None:
    tab.open(f"{(folder / RUN).as_uri()}#spec.runtime.podTemplate.tolerations.*.key")

    assert "spec.runtime.podTemplate.tolerations[].key" in tab.run(VISIBLE)


def test_index_finds_fields_of_all_kinds(tab: Browser, folder: pathlib.Path) -> None:
    tab.open((folder / "index.html").as_uri())

    tab.type("/spec.retention.maxage")
    found = tab.run(
        "return [...document.querySelectorAll('.results a')].map(a => a.getAttribute('href'))"
    )
    tab.click(".results a")

    assert [f"{MEMORY}#spec.retention.maxAge"] == found
    assert tab.run("return location.href").endswith(found[0])
    assert "spec.retention.maxAge" in tab.run(VISIBLE)


def test_keyboard_skips_to_the_content_and_opens_fields(tab: Browser, folder: pathlib.Path) -> None:
    tab.open((folder / MEMORY).as_uri())

    tab.type(browser.TAB)
    first = tab.run("return document.activeElement.textContent")
    tab.type(browser.ENTER)

    assert ("Skip to content", "MAIN") == (first, tab.run("return document.activeElement.tagName"))
    tab.run("document.querySelector(\"[id='spec.connection'] summary\").focus()")
    tab.type(browser.ENTER)
    assert "spec.connection.secretKeyRef" not in tab.run(VISIBLE)


@pytest.mark.parametrize("page", ["index.html", RUN, "guide.html"])
def test_screen_reader_hears_a_name_for_whatever_can_be_used(
    tab: Browser, folder: pathlib.Path, page: str
) -> None:
    tab.open((folder / page).as_uri())

    nodes = tab.tools("Accessibility.getFullAXTree")["nodes"]

    spoken = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]
    roles = {"link", "button", "searchbox", "navigation", "region", "search", "heading"}
    used = [one for one in spoken if one[0] in roles]
    assert [] == [one for one in used if not one[1].strip() and one[0] != "search"]
    assert {"main", "heading"} <= {role for role, _ in spoken}
    assert len(used) > 10


@pytest.mark.parametrize("page", ["index.html", RUN, "hostile/widgets.example.com-v1.html",
                                  "hostile/index.html", "guide.html"])  # fmt: skip
def test_page_loads_nothing_else_and_nobody_complains(
    tab: Browser, folder: pathlib.Path, page: str
) -> None:
    tab.open((folder / page).as_uri())

    asked = {url for url in loaded(tab) if not url.startswith("data:")}
    assert {(folder / page).as_uri()} == asked
    assert [] == tab.log("browser")
    assert "taken" != tab.run("return document.title")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index.html", RUN, "guide.html"])
def test_text_stands_out_from_its_ground(
    tab: Browser, folder: pathlib.Path, page: str, scheme: str
) -> None:
    look(tab, width=1280, scheme=scheme)
    tab.open((folder / page).as_uri())

    pairs = tab.run("""
        const ground = (part) => {
          for (let at = part; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
          }
        };
        const texts = [...document.querySelectorAll('body *')].filter((part) =>
          part.checkVisibility()
          && [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
        return [...new Set(texts.map((part) => getComputedStyle(part).color + '|' + ground(part)))];
    """)

    contrasts = {pair: contrast(*pair.split("|")) for pair in pairs}
    assert {} == {pair: found for pair, found in contrasts.items() if found < LEAST_CONTRAST}
    is_dark = luminance(next(iter(contrasts)).split("|")[1]) < 0.5
    assert is_dark == (scheme == "dark")


@functools.cache
def luminance(colour: str) -> float:
    """The relative luminance of `rgb(1, 2, 3)` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("page", ["index.html", RUN, MEMORY, "guide.html"])
def test_page_is_no_wider_than_its_window(
    tab: Browser, folder: pathlib.Path, page: str, width: int
) -> None:
    look(tab, width=width)

    tab.open((folder / page).as_uri())

    assert tab.run("return document.documentElement.scrollWidth") <= width
