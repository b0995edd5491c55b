"""An issue as its tracker shows it, and which of two observations of it is newer. Pure."""

import dataclasses
import datetime as dt
import enum
import re
from typing import Final, Self

from controllers.sources.api_constants import Ending, Provider, State


class Rank(enum.IntEnum):
    """Precedence of observations of the same instant.

    GitHub's times have seconds only: several changes may share one, and deliveries arrive in any
    order. A read of the issue shows the state after a change, a delivery only one of the changes.
    """

    DELIVERED = 0
    READ = 1
    ENDED = 2


_TEXT: Final = re.compile(r"(\S+) (delivered|read|ended)", re.ASCII)


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Version:
    """Orders the observations of an issue.

    Attributes:
        time: Of the last change, by the tracker's clock.
        rank: Decides between observations of the same time.
    """

    time: dt.datetime
    rank: Rank

    def __str__(self) -> str:
        return f"{self.time_text} {self.rank.name.lower()}"

    @property
    def time_text(self) -> str:
        """The time in RFC 3339, without needless digits."""
        utc = self.time.astimezone(dt.UTC)
        text = utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds")
        return text.replace("+00:00", "Z")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the version that a text shows; None for any other text."""
        parts = _TEXT.fullmatch(text)
        if parts is None:
            return None
        try:
            time = dt.datetime.fromisoformat(parts[1])
        except ValueError:
            return None
        return None if time.tzinfo is None else cls(time, Rank[parts[2].upper()])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue.

    Attributes:
        provider: Its tracker.
        external_id: Its identifier for people: owner/name#12 or ENG-1.
        url: Where people read it; empty if the tracker gave no usable one.
        title: One line, of any length.
        body: Of any length.
        labels: Their names.
        updated: Time of its last change.
        is_closed: Whether it is done, or will not be done.
        repository: On GitHub: owner/name.
        team: In Linear: the key of its team.
        project: In Linear: the name of its project, if any.
    """

    provider: Provider
    external_id: str
    url: str
    title: str
    body: str
    labels: tuple[str, ...]
    updated: dt.datetime
    is_closed: bool = False
    repository: str = ""
    team: str = ""
    project: str = ""

    @property
    def state(self) -> State:
        """State of an issue that can be followed."""
        return State.CLOSED if self.is_closed else State.OPEN


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """An issue as it was delivered or read.

    Attributes:
        issue: Its state at that time.
        rank: How it was seen.
        ending: Why it can no longer be followed, if so.
        delivery: Identifier of the delivery, as its sender says; empty if it was read.
    """

    issue: Issue
    rank: Rank
    ending: Ending | None = None
    delivery: str = ""

    @property
    def version(self) -> Version:
        """The version of the issue that this shows."""
        return Version(self.issue.updated, self.rank if self.ending is None else Rank.ENDED)
