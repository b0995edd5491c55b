"""Every check is documented, and a planted fault shows that it finds something."""

import pathlib
import re

import pytest

from controllers.agentctl.diagnose.checks import registry
from controllers.agentctl.exits import CommandError
from tests.support.diagnosis.faults import FAULTS

DOCUMENT = pathlib.Path(__file__).parents[4] / "docs" / "diagnose.md"
SECTION = re.compile(r"^### ([\w-]+)\n\n(error|warning)", re.MULTILINE)


def test_every_check_has_a_section_that_begins_with_its_severity() -> None:
    documented = dict(SECTION.findall(DOCUMENT.read_text()))

    assert {check.id: str(check.severity) for check in registry.CHECKS} == documented


def test_every_check_has_a_planted_fault() -> None:
    assert {check.id for check in registry.CHECKS} == {fault.check for fault in FAULTS}
    assert len(FAULTS) >= 40


def test_ids_are_unique() -> None:
    ids = [check.id for check in registry.CHECKS]

    assert len({*ids}) == len(ids)


def test_checks_are_chosen_by_mode_and_name() -> None:
    before = {check.id for check in registry.chosen("pre", (), ())}
    after = {check.id for check in registry.chosen("installed", (), ("lease-held",))}
    (only,) = registry.chosen("installed", ("lease-held",), ())

    assert "crds-installable" in before - after
    assert "lease-held" not in before | after
    assert "lease-held" == only.id


@pytest.mark.parametrize("word", ["lease", "crds-installable", ""])
def test_word_that_is_no_check_of_the_mode_is_refused(word: str) -> None:
    with pytest.raises(CommandError, match="agentctl diagnose --list"):
        registry.chosen("installed", (word,), ())
