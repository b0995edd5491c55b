"""Conversion steps shared by several kinds: the object, its status, and small values.

Specific to v1alpha1 <-> v1beta1; generic steps are in ``schemagen.versions.steps``.
"""

from typing import Final

from schemagen.problems import JSON
from schemagen.versions import records, steps

# --- the object ---------------------------------------------------------------------------------


def members(spec: steps.Step, status: steps.Step) -> tuple[records.Move, ...]:
    """Return the members of every object; the engine sets ``apiVersion``."""
    return (
        *records.keep("kind", "metadata"),
        records.same_name("spec", spec),
        records.same_name("status", status),
    )


def conversion(
    spec: steps.Step, status: steps.Step, *, unordered_paths: tuple[str, ...] = ()
) -> records.Conversion:
    """Return the conversion of a kind whose spec and status convert independently."""
    return records.Conversion(records.record(members(spec, status)), unordered_paths)


def status(*parts: records.Part | tuple[records.Part, ...]) -> steps.Step:
    """Convert a status: the fields of every kind, and the given fields of one kind."""
    return records.record(
        records.keep("observedGeneration"),
        records.same_name("conditions", steps.each_by("type", steps.KEEP)),
        records.move("updatedAt", "lastUpdateTime"),
        *parts,
    )


# --- values -------------------------------------------------------------------------------------

# The only item of a list that allows nothing, because an empty list allows everything in v1alpha1.
# It is not a valid name of an object, a repository or a source provider.
DENY_ALL: Final = "!deny-all"

KEY_REF = records.record(records.keep("name", "key"))

SECONDS = steps.to_duration()
# For v1alpha1 fields in milliseconds: v1beta1 durations have whole seconds.
MILLISECONDS = steps.Fn(
    lambda value: (
        SECONDS.up(value // 1000) if type(value) is int and value % 1000 == 0 else steps.ABSENT
    ),
    lambda value: seconds * 1000 if type(seconds := SECONDS.down(value)) is int else steps.ABSENT,
)


QUANTITY = steps.text_or_integer()
RESOURCES = records.record(
    *(records.same_name(name, steps.values(QUANTITY)) for name in ("requests", "limits"))
)


def written_out(step: steps.Step, *references: str) -> steps.Step:
    """Convert a value that may be one of these references in v1beta1 only.

    Without its reference it would be empty in v1alpha1, which has a different meaning.
    """

    def down(value: JSON) -> JSON:
        values = (steps.get(value, (name,)) for name in references)
        is_elsewhere = any(item not in (steps.ABSENT, None) for item in values)
        return steps.ABSENT if is_elsewhere else step.down(value)

    return steps.Around(step.up, down, step)
