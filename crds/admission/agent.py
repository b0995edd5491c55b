"""Validation of Agent: the size of its free-form settings, which a schema cannot express."""

from collections.abc import Iterator
from typing import Final

from schemagen import Facts, FieldPath, Problem, Reason, Rules, canonical
from schemagen.problems import JSON

# Row 5 of the field table. Templates may copy settings into a run's input, which is stored in a
# ConfigMap of at most 1 MiB.
MAX_CONFIG_BYTES: Final = 64 * 1024


def validate(agent: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
    """Yield the problems of an agent: settings that are too large."""
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
