"""Whether what one version says survives a change through another (``schemagen roundtrip``)."""

from schemagen.roundtrip.changes import Change, Edit
from schemagen.roundtrip.trial import Case, Loss, Tally, Trial

__all__ = ["Case", "Change", "Edit", "Loss", "Tally", "Trial"]
