"""The fields of an ImplementationSource that are read, and which issues it asks for. Pure."""

import datetime as dt
from typing import Final

import msgspec

from controllers import kube
from controllers.kube import JSON
from controllers.sources.api_constants import SYNC_ANNOTATION, Provider
from controllers.sources.issues import Issue
from schemagen.versions import durations

REPAIR_SECONDS: Final = 900
"""Default interval of reads of a source that receives webhooks."""
# Of the annotation that is copied to the status, whose schema allows no more.
_MAX_REQUEST: Final = 1024


class _Part(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A part of the view."""


class KeyRef(_Part, frozen=True):
    """A key of a Secret in the same namespace."""

    name: str = ""
    key: str = ""


class GitHub(_Part, frozen=True):
    """Issues on GitHub."""

    repository: str = ""
    organization: str = ""
    labels: tuple[str, ...] = ()

    def has(self, issue: Issue) -> bool:
        """Whether an issue's repository is asked for; GitHub's names ignore case."""
        repository = issue.repository.casefold()
        if self.repository:
            return repository == self.repository.casefold()
        return repository.partition("/")[0] == self.organization.casefold()

    def has_left(self, issue: Issue) -> bool:
        """Whether an issue of the repository lacks something that is asked for."""
        return not _has_labels(issue, self.labels)


class Linear(_Part, frozen=True):
    """Issues in Linear."""

    team: str = ""
    project: str = ""
    labels: tuple[str, ...] = ()

    def has(self, issue: Issue) -> bool:
        """Whether an issue's team is asked for."""
        return not self.team or issue.team.casefold() == self.team.casefold()

    def has_left(self, issue: Issue) -> bool:
        """Whether an issue of the team lacks something that is asked for."""
        is_other = bool(self.project) and issue.project.casefold() != self.project.casefold()
        return is_other or not _has_labels(issue, self.labels)


class Webhook(_Part, frozen=True):
    """Verification of deliveries."""

    signing_secret_refs: tuple[KeyRef, ...] = ()


class Poll(_Part, frozen=True):
    """Settings of polling."""

    interval: str = ""


class Repair(_Part, frozen=True):
    """Reads of what webhooks did not deliver."""

    interval: str = ""


class Credentials(_Part, frozen=True):
    """Credentials for the tracker's API."""

    secret_key_ref: KeyRef = KeyRef()


class Ingestion(_Part, frozen=True):
    """How issues are ingested."""

    mode: str = "Disabled"
    webhook: Webhook = Webhook()
    poll: Poll = Poll()
    repair: Repair = Repair()


class Mapping(_Part, frozen=True):
    """Mapping of one field of an issue."""

    from_: str = msgspec.field(name="from", default="")
    to: str = ""


class SourceSpec(_Part, frozen=True):
    """The desired ingestion."""

    github: GitHub | None = None
    linear: Linear | None = None
    credentials: Credentials = Credentials()
    ingestion: Ingestion = Ingestion()
    mapping: tuple[Mapping, ...] = ()


class SourceStatus(_Part, frozen=True):
    """The progress of reads."""

    last_sync_time: str = ""
    last_requested_sync: str = ""
    conditions: tuple[kube.Condition, ...] = ()


class Source(kube.Projection, frozen=True):
    """An ImplementationSource."""

    spec: SourceSpec = SourceSpec()
    status: SourceStatus = SourceStatus()

    @property
    def last_sync(self) -> dt.datetime | None:
        """Time at which the last complete read began, by the tracker's clock."""
        return kube.time_of(self.status.last_sync_time)

    @property
    def interval_seconds(self) -> int | None:
        """Interval of reads of the tracker; None if it is not read.

        Only a repository of GitHub is.
        """
        if self.spec.github is None or not self.spec.github.repository:
            return None
        match self.spec.ingestion.mode:
            case "Webhook":
                interval = self.spec.ingestion.repair.interval
                return durations.seconds_of(interval) if interval else REPAIR_SECONDS
            case "Poll":
                return durations.seconds_of(self.spec.ingestion.poll.interval)
            case _:
                return None

    @property
    def requested_sync(self) -> str:
        """For when a read was asked for; empty if none was."""
        return self.metadata.annotations.get(SYNC_ANNOTATION, "")[:_MAX_REQUEST]

    def has_condition(self, wanted: JSON) -> bool:
        """Whether its status has exactly this condition."""
        return any(msgspec.to_builtins(known) == wanted for known in self.status.conditions)

    @property
    def provider(self) -> Provider:
        """The tracker."""
        return Provider.LINEAR if self.spec.linear is not None else Provider.GITHUB

    @property
    def scope(self) -> GitHub | Linear:
        """The issues that it asks for."""
        return self.spec.linear or self.spec.github or _NOTHING

    @property
    def is_receiving(self) -> bool:
        """Whether it accepts deliveries."""
        return self.spec.ingestion.mode == "Webhook"


# Matches no issue: the schema requires one of both.
_NOTHING: Final = GitHub()


def _has_labels(issue: Issue, labels: tuple[str, ...]) -> bool:
    given = {label.casefold() for label in issue.labels}
    return all(label.casefold() in given for label in labels)
