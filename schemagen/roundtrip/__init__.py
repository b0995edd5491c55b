"""Test that data of one version survives edits through another (``schemagen roundtrip``)."""

from schemagen.roundtrip.cases import Case, Loss, Tally
from schemagen.roundtrip.changes import Change, Edit
from schemagen.roundtrip.trial import Trial

__all__ = ["Case", "Change", "Edit", "Loss", "Tally", "Trial"]
