"""What the conversions of several kinds share: the whole object, its status, and small values.

Steps of v1alpha1 <-> v1beta1 alone; what any API can use is in ``schemagen.versions.steps``.
"""

from typing import Final

from schemagen.problems import JSON
from schemagen.versions import records, steps

# --- the object ---------------------------------------------------------------------------------


def members(spec: steps.Step, status: steps.Step) -> tuple[records.Move, ...]:
    """The parts of every object; ``apiVersion`` is the engine's to say."""
    return (
        *records.keep("kind", "metadata"),
        records.same_name("spec", spec),
        records.same_name("status", status),
    )


def conversion(
    spec: steps.Step, status: steps.Step, *, unordered_paths: tuple[str, ...] = ()
) -> records.Conversion:
    """The conversion of a kind whose spec and status convert each by itself."""
    return records.Conversion(records.record(members(spec, status)), unordered_paths)


def status(*parts: records.Part | tuple[records.Part, ...]) -> steps.Step:
    """A status: what the controller says of every kind, and the parts that one kind has."""
    return records.record(
        records.keep("observedGeneration"),
        records.same_name("conditions", steps.each_by("type", steps.KEEP)),
        records.move("updatedAt", "lastUpdateTime"),
        *parts,
    )


# --- values -------------------------------------------------------------------------------------

# Stands alone in a list that allows nothing, because an empty one allows everything to readers of
# v1alpha1. No object and no repository can have this name, and no source provider is called so.
DENY_ALL: Final = "!deny-all"

KEY_REF = records.record(records.keep("name", "key"))

SECONDS = steps.to_duration()
# Where v1alpha1 counts milliseconds, v1beta1 can say whole seconds.
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
    """A value that only v1beta1 can take from elsewhere, by one of these references.

    Without its reference it would be empty in v1alpha1, which is another meaning.
    """

    def down(value: JSON) -> JSON:
        found = (steps.get(value, (name,)) for name in references)
        is_elsewhere = any(one not in (steps.ABSENT, None) for one in found)
        return steps.ABSENT if is_elsewhere else step.down(value)

    return steps.Around(step.up, down, step)
