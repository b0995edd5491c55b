"""One object in a real API server, with the interface of ``simulated_server``. Shell."""

import dataclasses
import random
from typing import Final, Protocol

from schemagen.problems import UserError
from schemagen.roundtrip import requests
from schemagen.roundtrip.changes import Change
from schemagen.roundtrip.requests import Method, Request
from schemagen.roundtrip.simulated_server import RefusedError, Value
from schemagen.roundtrip.views import Views

# Who can open a real API server: an entry point of this group, named as on the command line.
SERVERS: Final = "schemagen.roundtrip.servers"


class LostServerError(UserError):
    """The API server does not answer any more."""


class Server(Protocol):
    """A real API server that has the CRDs of the Apis, and calls their webhooks."""

    def new_name(self) -> str:
        """A name that no object has yet."""
        ...

    @property
    def namespace(self) -> str:
        """Where objects are created that have a namespace."""
        ...

    def send(self, request: Request) -> Value:
        """Ask, and return the object of the answer.

        Raises:
            RefusedError: if the API server refuses it.
            LostServerError: if it does not answer.
        """
        ...


def sent(change: Change, source: random.Random) -> Change:
    """A drawn change as it is sent: one that is applied says how, any other is drawn a method."""
    if change.by:
        return dataclasses.replace(change, by="", method="server-side apply")
    if change.replaces or change.action == "store":
        return change
    return dataclasses.replace(change, method=source.choice(requests.METHODS))


class Cluster:
    """Holds one object, in the version that the CRD says.

    Args:
        views: Of the object's kind.
        server: Where it is.
    """

    def __init__(self, views: Views, server: Server) -> None:
        self._views, self._server = views, server
        self._name = server.new_name()
        self._writes = 0
        self.versions = [version.name for version in views.kind.versions if version.served]

    def named(self, value: Value) -> Value:
        """An object as this one: under its own name, in the server's namespace."""
        metadata = {**value["metadata"], "name": self._name}
        if self._views.kind.scope == "Namespaced":
            metadata["namespace"] = self._server.namespace
        return {**value, "metadata": metadata}

    def place(self, version: str, value: Value) -> None:
        """Not possible: nobody writes past the API server.

        Raises:
            RefusedError: always.
        """
        name = value["metadata"]["name"]
        raise RefusedError(f"expected {name} to be created in {version}, not found in etcd")

    def create(self, version: str, value: Value) -> Value:
        """Create the object, then write its status; what it is to say.

        Raises:
            RefusedError: if the API server refuses it.
        """
        answer = self._ask(version, "create", value)
        if "status" in value:
            answer = {**answer, "status": value["status"]}
            self.write_status(version, answer)
        return self._admitted(value, answer)

    def read(self, version: str) -> Value:
        """The object in a version."""
        return self._ask(version, "get", None)

    def write(self, version: str, value: Value, *, method: Method = "replace") -> Value:
        """Write all but the status; what it is to say.

        Raises:
            RefusedError: if the API server refuses it, or the method cannot say it.
        """
        return self._admitted(value, self._change(version, value, method, is_status=False))

    def write_status(self, version: str, value: Value, *, method: Method = "replace") -> None:
        """Write the status alone.

        Raises:
            RefusedError: if the API server refuses it, or the method cannot say it.
        """
        self._change(version, value, method, is_status=True)

    def store_as(self, version: str) -> None:
        """Not possible here: the CRD says what is stored, for everybody.

        Raises:
            UnsayableError: always.
        """
        raise requests.UnsayableError(f"expected the CRD's storage version, got {version}")

    def converted(self, value: Value, source: str, target: str) -> Value:
        """An object in its own version; the API server converts by itself.

        Raises:
            RefusedError: for another version.
        """
        if source != target:
            raise RefusedError(f"expected an object of {target}, got one of {source}")
        return value

    def _change(self, version: str, value: Value, method: Method, *, is_status: bool) -> Value:
        read = self.read(version)
        self._writes += 1
        body = self._body(version, read, value, method)
        return self._ask(version, method, body, read=read, is_status=is_status)

    def _body(self, version: str, read: Value, value: Value, method: Method) -> Value:
        match method:
            case "merge patch":
                return requests.merge_patch(read, value)
            case "server-side apply":
                return requests.configuration(read, value, self._views.node(version))
            case _:
                return value

    def _admitted(self, value: Value, answer: Value) -> Value:
        """Return the written object, or the server's result where a rule fills in more."""
        return value if self._views.kind.rules.default is None else answer

    def _ask(
        self,
        version: str,
        verb: Method | requests.Reading,
        body: Value | None,
        *,
        read: Value | None = None,
        is_status: bool = False,
    ) -> Value:
        return self._server.send(
            Request(
                api=self._views.api,
                kind=self._views.kind,
                version=version,
                name=self._name,
                verb=verb,
                body=body,
                read=read,
                is_status=is_status,
                manager=f"roundtrip-{self._writes}",
            )
        )
