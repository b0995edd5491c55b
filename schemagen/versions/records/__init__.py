"""Conversion steps of objects: records and their parts, which map fields between versions.

``record`` is a list of moves between fields of the two versions; ``special_values`` and ``unions``
have the parts that are more than a move.
"""

from schemagen.versions.records.conversion import (
    UNCHANGED,
    Conversion,
)
from schemagen.versions.records.fields import (
    Forget,
    Move,
    OpenRecord,
    Part,
    PartFn,
    Record,
    Unrelated,
    forget,
    keep,
    move,
    open_record,
    record,
    same_name,
    sealed_record,
    unrelated,
)
from schemagen.versions.records.special_values import (
    Constant,
    Implied,
    OpenWords,
    Sentinel,
    WrittenOut,
    written_out,
)
from schemagen.versions.records.texts import inverse, split
from schemagen.versions.records.unions import (
    FirstOf,
    FlatUnion,
    Spread,
    Tagged,
    flat_union,
)

__all__ = [
    "UNCHANGED",
    "Constant",
    "Conversion",
    "FirstOf",
    "FlatUnion",
    "Forget",
    "Implied",
    "Move",
    "OpenRecord",
    "OpenWords",
    "Part",
    "PartFn",
    "Record",
    "Sentinel",
    "Spread",
    "Tagged",
    "Unrelated",
    "WrittenOut",
    "flat_union",
    "forget",
    "inverse",
    "keep",
    "move",
    "open_record",
    "record",
    "same_name",
    "sealed_record",
    "split",
    "unrelated",
    "written_out",
]
