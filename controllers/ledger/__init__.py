"""Admission by limits on runs in flight, in a ledger updated by compare-and-swap."""

from controllers.ledger.admission import (
    Candidate,
    Decision,
    Ledger,
    Limit,
    Limits,
    Slot,
    Uid,
    decide,
)
from controllers.ledger.compare_and_swap import Book, BusyError
from controllers.ledger.encoding import CorruptError

__all__ = [
    "Book",
    "BusyError",
    "Candidate",
    "CorruptError",
    "Decision",
    "Ledger",
    "Limit",
    "Limits",
    "Slot",
    "Uid",
    "decide",
]
