"""How values and keywords are put into messages. Pure."""

from typing import Final

from schemagen import canonical
from schemagen.problems import JSON

_SHOWN: Final = 80


def worded(name: str, before: JSON, after: JSON) -> tuple[str, str]:
    """Return the rule and the text of a keyword that is added, removed or changed."""
    if before is None:
        return f"{name}-added", f"{name} {brief(after)} added"
    if after is None:
        return f"{name}-removed", f"{name} {brief(before)} removed"
    return f"{name}-changed", f"{name} changed from {brief(before)} to {brief(after)}"


def brief(value: JSON) -> str:
    """Return a value as JSON, cut off if it is long."""
    text = canonical.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
