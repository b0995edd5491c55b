"""One stored object of a simulated API server, between two conversions. Pure.

apiextensions-apiserver applies defaults to objects read from etcd in their stored version,
converts, and prunes in the version of the request. A write is pruned and defaulted in the version
of the request, admitted, converted for storage and pruned again. A write keeps the old status; a
write of the status keeps everything else.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

from schemagen import checking
from schemagen.problems import JSON
from schemagen.roundtrip.views import Views

Value: TypeAlias = dict[str, JSON]
Convert: TypeAlias = Callable[[Value, str, str], Value]
"""An object, from a version, in a version."""
Admit: TypeAlias = Callable[[Value, Value | None, bool], Value]
"""Mutating admission of an object, given the one that it replaces, if any.

The last argument is whether it was sent whole, and not as a patch.
"""


class RefusedError(Exception):
    """The API server would refuse the write; the message has its causes."""


@dataclasses.dataclass
class Cluster:
    """Holds one object.

    Attributes:
        views: Of the object's kind.
        convert: The conversion under test.
        admit: The admission under test.
        storage: The version that is written to etcd.
    """

    views: Views
    convert: Convert
    admit: Admit
    storage: str
    _stored: Value = dataclasses.field(default_factory=dict)
    _version: str = ""

    def place(self, version: str, value: Value) -> None:
        """Find an object in etcd, whatever it is, as an older release may have left it."""
        self._stored, self._version = value, version

    @property
    def versions(self) -> Sequence[str]:
        """The versions that the object can be read in."""
        return self.views.names

    def named(self, value: Value) -> Value:
        """An object as this one, which may have any name."""
        return value

    def create(self, version: str, value: Value) -> Value:
        """Create the object, then write its status; what it is to say.

        Raises:
            RefusedError: if the schema forbids it.
        """
        self._write(version, value, None, patches=False)
        if "status" in value:
            self.write_status(version, {**self.read(version), "status": value["status"]})
        return value

    def read(self, version: str) -> Value:
        """The object in a version."""
        defaulted = self.views.defaulted(self._version, self._stored)
        return self.converted(defaulted, self._version, version)

    def write(self, version: str, value: Value, *, method: str = "replace") -> Value:
        """Write all but the status; what it is to say.

        Args:
            version: Of the request.
            value: The object as it is to be.
            method: ``replace``, or a patch, of which the API server made the object.

        Raises:
            RefusedError: if the schema forbids it.
        """
        if method == "server-side apply":
            self._typed(version, value)
        self._write(version, value, self.read(version), patches=method != "replace")
        return value

    def _typed(self, version: str, value: Value) -> None:
        """Refuse duplicate keys in an applied object, even if the stored object has some.

        Raises:
            RefusedError: if it has not.
        """
        twice = repeated(self.views, version, value)
        if twice:
            raise RefusedError(f"expected one item of a key, got two at {', '.join(sorted(twice))}")

    def write_status(self, version: str, value: Value, *, method: str = "replace") -> None:
        """Write the status alone.

        Raises:
            RefusedError: if the schema forbids it.
        """
        del method  # nobody admits a status
        old = self.read(version)
        new = _with_status(old, self.views.defaulted(version, value))
        checked = checking.of_version(self.views.version(version)).update_status(new, old)
        self._store(version, new, checked)

    def store_as(self, version: str) -> None:
        """Change the storage version, and write the object anew as a migration does.

        Raises:
            RefusedError: if the schema forbids it.
        """
        before, self.storage = self.storage, version
        try:
            self.write(version, self.read(version))
        except RefusedError:
            self.storage = before
            raise

    def converted(self, value: Value, source: str, target: str) -> Value:
        """An object in another version, as the API server makes use of the answer."""
        if source == target:
            return value
        return self.views.pruned(target, self.convert(value, source, target))

    def _write(self, version: str, value: Value, old: Value | None, *, patches: bool) -> None:
        taken = _with_status(self.views.defaulted(version, value), old or {})
        new = self.admit(taken, old, not patches)
        checker = checking.of_version(self.views.version(version))
        checked = checker.create(new) if old is None else checker.update(new, old)
        self._store(version, new, checked)

    def _store(self, version: str, value: Value, checked: checking.Checked) -> None:
        allowed(checked)
        self._stored = self.converted(value, version, self.storage)
        self._version = self.storage


def repeated(views: Views, version: str, value: Value) -> set[str]:
    """The items of an object that have the key of another one."""
    causes = checking.of_version(views.version(version)).create(value).causes
    return {cause.field for cause in causes if cause.reason == "FieldValueDuplicate"}


def allowed(checked: checking.Checked) -> None:
    """Go on only if the API server would.

    Raises:
        RefusedError: if it would not.
    """
    if not checked.allowed:
        raise RefusedError("; ".join(f"{cause.field}: {cause.message}" for cause in checked.causes))


def _with_status(value: Value, other: Value) -> Value:
    """An object with the status of another one, which may have none."""
    status = {"status": other["status"]} if "status" in other else {}
    return {key: item for key, item in value.items() if key != "status"} | status
