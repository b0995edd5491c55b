import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.runner import errors, templates

NAMES: dict[str, Any] = {
    "inputs": {"repo": "a/b", "n": 3, "yes": True, "none": None, "list": ["x", {"y": "z"}]},
    "goal": {"objective": "{{ inputs.repo }}"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{inputs.repo}}", "a/b"),
        ("<{{  inputs . repo  }}>", "<a/b>"),
        ("{{inputs.n}} {{inputs.yes}}", "3 true"),
        ("[{{inputs.none}}]", "[]"),
        ("[{{inputs.missing}}{{missing.too}}{{}}]", "[]"),
        ("{{inputs.list.0}} {{inputs.list.1.y}}", "x z"),
        ("[{{inputs.list.2}}{{inputs.list.-1}}{{inputs.list.x}}]", "[]"),
        ("[{{inputs.list.99999999999999999999}}{{inputs.list.²}}]", "[]"),
        ("{{inputs.list}}", '["x",{"y":"z"}]'),
        ("[{{inputs.repo.length}}]", "[]"),
        ("{{goal.objective}}", "{{ inputs.repo }}"),
        ("{{{inputs.repo}}}", "{a/b}"),
        ("{{ inputs.repo", "{{ inputs.repo"),
        ("{ {inputs.repo} }", "{ {inputs.repo} }"),
    ],
)
def test_template_is_filled_in(template: str, expected: str) -> None:
    assert expected == templates.render(template, NAMES)


def test_number_of_any_length_is_no_item() -> None:
    # Python refuses to read more than 4300 digits.
    assert "" == templates.render("{{inputs.list." + "1" * 5000 + "}}", NAMES)


@given(st.text(st.sampled_from("{} .a"), max_size=40))
def test_value_is_never_rendered_again(value: str) -> None:
    names = {"a": value, "b": "SECRET"}

    assert value == templates.render("{{a}}", names)
    assert f"{value}{value}" == templates.render("{{a}}{{a}}", names)
    assert "SECRET" not in templates.render("{{a}}", {"a": "{{b}}" + value, "b": "SECRET"})


@given(st.text("abc. 0", max_size=20))
def test_missing_name_is_empty(path: str) -> None:
    assert "<>" == templates.render("<{{" + path + "}}>", {})


@given(st.text())
def test_text_without_a_template_stays_as_it_is(text: str) -> None:
    text = text.replace("{{", "")

    assert text == templates.render(text, NAMES)


def test_time_is_linear_in_the_template() -> None:
    before = time.process_time()

    templates.render("{{" + " " * 200_000, NAMES)
    templates.render("{{" * 200_000, NAMES)
    templates.render("{{ x" * 50_000, NAMES)

    assert time.process_time() - before < 2


@given(st.text("{}a. é", max_size=40), st.text(max_size=20), st.integers(0, 200))
def test_size_is_known_before_the_text_is_made(template: str, value: str, room: int) -> None:
    names = {"a": value, "": [value]}
    whole = templates.render(template, names)
    size = len(whole.encode())
    # What the names themselves take has room, too.
    enough = size + len(template.encode())

    assert whole == templates.render(template, names, enough)
    if size > room:
        with pytest.raises(errors.SpecError, match=f"at most {room} bytes, got more"):
            templates.render(template, names, room)


def test_template_that_multiplies_its_input_takes_no_memory() -> None:
    names = {"inputs": {"large": "x" * 1_000_000}}
    tracemalloc.start()

    for template in ("{{inputs.large}}" * 700, "{{inputs}}" * 1000, distinct(500)):
        with pytest.raises(templates.TooLargeError):
            templates.render(template, names)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 10_000_000


def distinct(number: int) -> str:
    """Many distinct names of the same value."""
    return "".join("{{" + " " * index + "inputs}}" for index in range(number))
