"""What crdify and crd-schema-checker call incompatible is breaking here, or proved not to be.

The rules are those of crdify's docs/validations.md and its comparators, and of crd-schema-checker's
comparators that compare two CRDs; its others judge one CRD, as a lint does.
"""

import pytest

from tests.support import diff_cases

OUTCOMES = {
    case.name: {outcome for verdicts in case.expected.values() for outcome in verdicts.values()}
    for case in diff_cases.read_all()
}

INCOMPATIBLE = {
    "crdify scope": ["scope"],
    "crdify existingFieldRemoval": ["field-removed", "field-removed-nested"],
    "crdify storedVersionRemoval": ["storage-version-removed"],
    "crdify enum": [
        *("field-enum-added", "field-enum-value-removed", "field-enum-value-added"),
        "field-enum-removed",
    ],
    "crdify default": ["default-added", "default-changed", "default-removed"],
    "crdify maximum": ["field-maximum-added", "field-maximum-lowered"],
    "crdify maxLength": ["field-max-length-added", "field-max-length-lowered"],
    "crdify maxItems": ["max-items-added", "max-items-lowered"],
    "crdify maxProperties": ["max-properties-added", "max-properties-lowered"],
    "crdify minimum": ["field-minimum-added", "field-minimum-raised"],
    "crdify minLength": ["field-min-length-added", "field-min-length-raised"],
    "crdify minItems": ["min-items-added", "min-items-raised"],
    "crdify minProperties": ["min-properties-added"],
    "crdify exclusiveMaximum": ["field-exclusive-maximum-added"],
    "crdify required": ["required-added", "field-added-required"],
    "crdify type": ["field-type-changed", "field-type-narrowed", "type-integer-to-int-or-string"],
    "crdify pattern": ["field-pattern-added", "field-pattern-changed", "field-pattern-removed"],
    "crdify nullable": ["nullable-added", "nullable-removed"],
    "crdify format": ["field-format-added", "field-format-changed", "field-format-removed"],
    "crdify allOf, anyOf, oneOf, not": [
        *("all-of-added", "any-of-added", "any-of-branch-removed", "one-of-added", "not-added"),
        *("not-changed", "any-of-removed"),
    ],
    "crdify xvalidations": ["object-rule-added", "rule-changed", "rule-bound-lowered"],
    "crd-schema-checker NoFieldRemoval": ["field-removed", "field-renamed"],
    "crd-schema-checker NoEnumRemoval": ["field-enum-value-removed"],
    "crd-schema-checker NoDataTypeChange": ["type-string-to-boolean", "type-list-to-map"],
    "crd-schema-checker NoNewRequiredFields": ["required-added", "field-added-required"],
}
PROVED_SAFE = {
    "crdify description": ["description-changed"],
    "crdify required, with a default": ["required-added-with-default"],
    "crdify format, not enforced": ["format-unenforced-changed"],
    "crdify maxProperties and minProperties, of an object that is pruned": [
        *("max-properties-of-no-fields", "min-properties-of-no-fields"),
    ],
    "crdify xvalidations, of the message": ["rule-message-changed"],
}


@pytest.mark.parametrize("rule", INCOMPATIBLE)
def test_an_incompatible_change_is_breaking(rule: str) -> None:
    for name in INCOMPATIBLE[rule]:
        assert "breaking" in OUTCOMES[name], name


@pytest.mark.parametrize("rule", PROVED_SAFE)
def test_a_false_alarm_is_proved_safe(rule: str) -> None:
    for name in PROVED_SAFE[rule]:
        assert {"safe"} == OUTCOMES[name], name
