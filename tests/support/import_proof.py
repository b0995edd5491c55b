"""Imported CRDs: their models generate them again, and judge objects as the API server does.

Shell: files, and the modules that are written are imported.
"""

import dataclasses
import gzip
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemagen import differential, judge
from schemagen.compat import sources
from schemagen.migrate.importing import modules, verification
from schemagen.model import registry
from schemagen.yaml import writer

DATA = pathlib.Path(__file__).parents[1] / "data" / "crds"
LARGE_BYTES = 500_000
MAX_SECONDS = 3.0


@dataclasses.dataclass
class Tally:
    """What became of the CRDs.

    Attributes:
        crds: Imported, as one module and as a package.
        versions: Whose models were asked.
        objects: Asked about.
        allowed: By the judge.
        undecided: Which the model left to the judge.
        faults: A line each: a difference of a CRD, or of verdicts; or too slow.
        seconds: The processor time of the slowest large CRD.
    """

    crds: int = 0
    versions: int = 0
    objects: int = 0
    allowed: int = 0
    undecided: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files with CRDs in a folder, compressed or not."""
    suffixes = ("*.yaml", "*.yml", "*.json", "*.yaml.gz")
    return sorted(path for suffix in suffixes for path in folder.rglob(suffix))


def content_of(path: pathlib.Path) -> bytes:
    """The text of a file, decompressed."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


async def prove(
    tally: Tally, path: pathlib.Path, oracle: judge.Judge, *, objects: int, seed: int
) -> None:
    """Import the CRDs of a file; ask about objects of each version."""
    content = content_of(path)
    started = time.process_time()
    crds = [definition.value for definition in sources.parsed(content, path.name)]
    for crd in crds:
        text = modules.single([crd])
        tally.faults += _changed({"models.py": text}, crd)
        if len(content) > LARGE_BYTES:
            spent = time.process_time() - started
            tally.seconds = max(tally.seconds, spent)
            if spent > MAX_SECONDS:
                tally.faults.append(f"{path.name}: expected at most 3 s, got {spent:.1f}")
        tally.faults += _changed(modules.package([crd]), crd)
        tally.crds += 1
        with verification.imported({"models.py": text}) as api:
            for subject in subjects(api, crd):
                await _ask(tally, subject, oracle, objects=objects, seed=seed)


def _changed(texts: Mapping[str, str], crd: Mapping[str, Any]) -> Iterator[str]:
    for name, places in verification.differences(texts, [crd]).items():
        yield from (f"{name}: {place}" for place in places)


def subjects(api: registry.Api, crd: Mapping[str, Any]) -> Iterator[differential.Subject]:
    """Each version alone: the models that were imported, and the CRD that they come from."""
    (kind,) = api.kinds
    for version in kind.versions:
        model = dataclasses.replace(version, storage=True, served=True)
        lone = dataclasses.replace(kind, versions=(model,), external_conversion=None)
        stated = [
            {**stated, "storage": True, "served": True}
            for stated in crd["spec"]["versions"]
            if stated["name"] == version.name
        ]
        spec = {key: value for key, value in crd["spec"].items() if key != "conversion"}
        alone = {**crd, "spec": {**spec, "versions": stated}}
        yield differential.Subject(registry.Api(api.group, (lone,)), alone)


async def _ask(
    tally: Tally,
    subject: differential.Subject,
    oracle: judge.Judge,
    *,
    objects: int,
    seed: int,
) -> None:
    found = await differential.Trial(oracle, None, seed=seed).run(subject, objects)
    tally.versions += 1
    tally.objects += found.asked
    tally.allowed += found.allowed
    tally.undecided += found.undecided
    name = f"{subject.kind.name} {subject.version.name}"
    tally.faults += [f"{name}: {line}" for split in found.splits for line in _shown(split)]
    unseen = found.verdicts + found.words - len(found.splits)
    tally.faults += [f"{name}: and {unseen} more"] if unseen > 0 else []


def _shown(split: differential.Split) -> Sequence[str]:
    verdicts = "; ".join(
        f"{name} {'allows' if said.allowed else 'refuses'} {[*map(str, said.causes)]}"
        for name, said in split.said.items()
    )
    return [f"{split.question.operation}: {verdicts}", writer.dumps(split.question.value)]
