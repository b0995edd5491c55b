"""Judge the objects that a cluster or files have by the CRDs to come. Shell.

Of a cluster nothing but GET is asked: the CRD, and its objects page by page. While a page is
judged, in as many threads as there are judges, the next one is read.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

from schemagen import judge
from schemagen.compat import clusters, inputs, progress, sources
from schemagen.compat.findings import Finding, has_errors
from schemagen.compat.preflight import preflight, writes
from schemagen.compat.sources import Definition
from schemagen.problems import JSON, UserError
from schemagen.yaml import manifests

CLUSTER: Final = "cluster:"
PAGE_SIZE: Final = 500
_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# A verdict on the largest objects takes a second, and other work may keep the machine busy.
DEADLINE_SECONDS: Final = 60.0


@dataclasses.dataclass
class Report:
    """Findings and counts.

    Attributes:
        findings: In the order of the CRDs and their objects.
        passed: Subjects without a finding.
        problems: What could not be read.
        objects: Number of objects.
        refused: Number of objects of which a write would be refused that is not so now.
        losing: Number of objects that lose fields.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    passed: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    objects: int = 0
    refused: int = 0
    losing: int = 0

    def take(self, upgrade: preflight.Upgrade, about_crd: Sequence[Finding]) -> None:
        """Add the result of an upgrade."""
        found = [*about_crd, *upgrade.findings()]
        self.findings += found
        self.passed += upgrade.passed
        if not has_errors(about_crd):
            self.passed.append(upgrade.subject)
        self.objects += upgrade.objects
        self.refused += upgrade.count("update-refused", "status-refused")
        self.losing += upgrade.count("fields-lost")

    @property
    def summary(self) -> str:
        """Return the counts in a line."""
        objects = "1 object" if self.objects == 1 else f"{self.objects} objects"
        return (
            f"{objects} judged: writes of {self.refused} would be refused, "
            f"{self.losing} would lose fields"
        )


class Preflight:
    """Judges objects against new CRDs.

    Args:
        definitions: The new CRDs.
        oracles: One for each thread.
        advance: Receives progress.
    """

    def __init__(
        self,
        definitions: Sequence[Definition],
        oracles: Sequence[judge.Judge],
        advance: progress.Advance,
    ) -> None:
        self._definitions, self._oracles, self._advance = definitions, oracles, advance

    async def of_cluster(
        self,
        context: str | None,
        place: str,
        report: Report,
        kubeconfig: pathlib.Path | None = None,
    ) -> None:
        """Judge the objects of a cluster.

        Raises:
            clusters.ClusterError: if it cannot be read.
        """
        source = f"{CLUSTER}{context or ''}"
        async with clusters.opened(context, kubeconfig=kubeconfig) as cluster:
            for new in self._definitions:
                live = await _live(cluster, new.name)
                with self._loaded(new, live, place, report) as judges:
                    if not judges:
                        continue
                    upgrade = preflight.Upgrade(new, live, source=source, place=place)
                    about_crd = upgrade.crd_findings(self._oracles[0])
                    await self._read(cluster, upgrade, judges)
                    report.take(upgrade, about_crd)

    @contextlib.contextmanager
    def _loaded(
        self, new: Definition, live: JSON | None, place: str, report: Report
    ) -> Iterator[Sequence[writes.Writes]]:
        """Load a CRD into every judge; none if the API server refuses it, which is reported."""
        found = preflight.refusals(new, self._oracles[0].check(new.value), place)
        report.findings += found
        oracles = [] if found else self._oracles
        judges = [writes.Writes(new.value, oracle, live) for oracle in oracles]
        try:
            yield judges
        finally:
            for loaded in judges:
                loaded.close()

    async def _read(
        self, cluster: clusters.Cluster, upgrade: preflight.Upgrade, judges: Sequence[writes.Writes]
    ) -> None:
        for index, reading in enumerate(upgrade.readings):
            path = f"{upgrade.path}/{reading.version}/{upgrade.plural}"
            title = f"{upgrade.subject} {reading.version}"
            pages = clusters.pages(cluster, path, page_size=PAGE_SIZE)
            async for page in _ahead(pages):
                for value in page.items if index == 0 else ():
                    upgrade.register(value)
                await _judge(upgrade, judges, page.items, reading)
                self._advance(title, len(page.items), page.remaining)

    def of_files(self, references: Sequence[str], report: Report) -> None:
        """Judge the objects of files, such as `kubectl get -o yaml` writes."""
        read = inputs.Inputs(references)
        objects = [(name, item) for name, item in read if _is_stored(item)]
        report.problems += read.problems
        for new in self._definitions:
            live = self._among((item.value for _, item in objects), new.name)
            with self._loaded(new, live, "", report) as judges:
                if judges:
                    upgrade = preflight.Upgrade(new, live, source=" ".join(references))
                    self._judge_files(upgrade, judges, objects, report)

    def _judge_files(
        self,
        upgrade: preflight.Upgrade,
        judges: Sequence[writes.Writes],
        objects: Sequence[tuple[str, manifests.Object]],
        report: Report,
    ) -> None:
        about_crd = [] if upgrade.live is None else upgrade.crd_findings(self._oracles[0])
        by_version: dict[str, list[JSON]] = {}
        for name, item in objects:
            if upgrade.is_about(item.value):
                upgrade.register(item.value, name, item.line_of)
                version = str(item.value["apiVersion"]).rpartition("/")[2]
                by_version.setdefault(version, []).append(item.value)
        for version, values in by_version.items():
            asyncio.run(_judge(upgrade, judges, values, upgrade.reading_of(version)))
            self._advance(f"{upgrade.subject} {version}", len(values), 0)
        report.take(upgrade, about_crd)

    def _among(self, values: Iterable[JSON], name: str) -> JSON | None:
        """Return the CRD of a name that is among objects, if the API server would accept it."""
        for value in values:
            is_crd = value["kind"] == sources.KIND and value["metadata"]["name"] == name
            if is_crd and self._oracles[0].check(value, strict=False).allowed:
                return value
        return None


def _is_stored(item: manifests.Object) -> bool:
    """Return whether an object can be one of a cluster: it has kind and name."""
    metadata = item.value.get("metadata")
    return not item.refusal and isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


def run(
    definitions: Sequence[Definition],
    against: Sequence[str],
    jobs: int,
    *,
    kubeconfig: pathlib.Path | None = None,
) -> Report:
    """Judge the objects of some clusters and files, with a progress bar on a terminal.

    A cluster that cannot be read becomes a problem; the others are read nevertheless.

    Args:
        definitions: The new CRDs.
        against: Files, and clusters as ``cluster:CONTEXT``.
        jobs: Number of objects to judge at a time.
        kubeconfig: Of the clusters, if not that of the environment.
    """
    report = Report()
    places = [name for name in against if name.startswith(CLUSTER)]
    paths = [name for name in against if not name.startswith(CLUSTER)]
    with contextlib.ExitStack() as stack:
        oracles = [
            stack.enter_context(judge.Judge(deadline_seconds=DEADLINE_SECONDS)) for _ in range(jobs)
        ]
        check = Preflight(definitions, oracles, stack.enter_context(progress.bars()))
        if paths:
            check.of_files(paths, report)
        for place in places:
            context = place.removeprefix(CLUSTER) or None
            where = f" in {place}" if len(against) > 1 else ""
            try:
                asyncio.run(check.of_cluster(context, where, report, kubeconfig))
            except clusters.ClusterError as error:
                report.problems.append(str(error))
    return report


async def _judge(
    upgrade: preflight.Upgrade,
    judges: Sequence[writes.Writes],
    values: Sequence[JSON],
    reading: preflight.Reading,
) -> None:
    """Judge objects in every version, shared out among the judges."""
    for versions in _alike(judges[0], reading.judged):
        shares = [values[index :: len(judges)] for index in range(len(judges))]
        is_brief = upgrade.is_listed_in_full
        judged = await asyncio.gather(
            *(
                asyncio.to_thread(_outcomes, writer, share, versions[0], is_brief=is_brief)
                for writer, share in zip(judges, shares, strict=True)
                if share
            )
        )
        for value, outcome in (pair for part in judged for pair in part):
            for version in versions:
                upgrade.take(value, version, outcome)


def _alike(writer: writes.Writes, versions: Sequence[str]) -> Iterable[list[str]]:
    """Return versions in groups in which objects are judged just the same."""
    groups: dict[str, list[str]] = {}
    for version in versions:
        groups.setdefault(writer.same_as(version), []).append(version)
    return groups.values()


def _outcomes(
    writer: writes.Writes, values: Sequence[JSON], version: str, *, is_brief: bool
) -> list[tuple[JSON, writes.Outcome]]:
    """Return the objects that are not fine, and why."""
    judged = []
    for value in values:
        group = value["apiVersion"].rpartition("/")[0]
        named = {**value, "apiVersion": f"{group}/{version}"}
        outcome = writer.outcome(named, version, is_brief=is_brief)
        if outcome is not writes.FINE:
            judged.append((value, outcome))
    return judged


async def _live(cluster: clusters.Cluster, name: str) -> JSON | None:
    try:
        return await cluster.get(f"{_CRDS}/{name}")
    except clusters.NotFoundError:
        return None


async def _ahead(pages: AsyncIterator[clusters.Page]) -> AsyncIterator[clusters.Page]:
    """Yield pages, reading the next one meanwhile."""
    iterator = aiter(pages)
    following = asyncio.ensure_future(anext(iterator))
    try:
        while True:
            try:
                page = await following
            except StopAsyncIteration:
                return
            following = asyncio.ensure_future(anext(iterator))
            yield page
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, UserError):
            await following
