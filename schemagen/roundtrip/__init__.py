"""Test that data of one version survives edits through another (``schemagen roundtrip``)."""

from schemagen.roundtrip.changes import Change, Edit
from schemagen.roundtrip.trial import Case, Loss, Tally, Trial

__all__ = ["Case", "Change", "Edit", "Loss", "Tally", "Trial"]
