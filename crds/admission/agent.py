"""Agent: the size of its free-form settings, which no schema can count."""

from collections.abc import Iterator
from typing import Final

from schemagen import Facts, FieldPath, Problem, Reason, Rules, canonical
from schemagen.problems import JSON

# Row 5 of the field table. Templates may copy settings into the input of a run, which goes into a
# ConfigMap of 1 MiB in all.
MAX_CONFIG_BYTES: Final = 64 * 1024


def validate(agent: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
    """What is wrong with an agent: settings that are too large."""
    del old
    if facts.most_bytes is not None and facts.most_bytes <= MAX_CONFIG_BYTES:
        return
    spec = agent.get("spec")
    config = spec.get("config") if type(spec) is dict else None
    size = 0 if config is None else len(canonical.dumps(config))
    if size > MAX_CONFIG_BYTES:
        message = (
            f"expected at most {MAX_CONFIG_BYTES} bytes of JSON, got {size}; "
            "keep large settings in a ConfigMap"
        )
        yield Problem(FieldPath().member("spec").member("config"), message, Reason.TOO_LONG)


RULES = Rules(validate=validate)
