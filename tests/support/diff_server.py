"""Witnesses of `schemagen diff`, sent to a real API server before and after its CRD is updated."""

import asyncio
import dataclasses
import itertools
import json
import time
from collections.abc import Awaitable, Callable

from controllers import kube
from schemagen.compat.changes.changes import Audience, Witness
from schemagen.problems import JSON
from tests.support import diff_cases, judge_proof

REQUESTS = frozenset({"create", "update", "update status", "read", "install"})
_SECONDS = 10.0
_PAUSE = 0.1
_NUMBERS = itertools.count()
_OWN = ("name", "labels")

Asked = Callable[[], Awaitable[judge_proof.Said]]


async def refuted(
    case: diff_cases.Case, audience: Audience, witness: Witness, server: judge_proof.Server
) -> str:
    """Why the API server does not answer as a witness says; empty if it does."""
    number = next(_NUMBERS)
    case = dataclasses.replace(case, old=_apart(case.old, number), new=_apart(case.new, number))
    witness = dataclasses.replace(
        witness,
        object=_apart(witness.object, number),
        old=_apart(witness.old, number),
        before=_apart(witness.before, number),
    )
    versions = {version["name"]: version for version in case.old["spec"]["versions"]}
    async with server.installed(case.old) as live:
        updated = {**case.new, "metadata": {**live["metadata"], **case.new["metadata"]}}
        if witness.request == "install":
            question = judge_proof.Question(updated, strict=False, old=live)
            said = await server.ask(judge_proof.CRDS, question)
            return "" if said.is_refusal else "the CRD is updated"
        resource = judge_proof.resource_of(case.old, versions[witness.version])
        if audience is Audience.READERS and witness.before != witness.object:
            return await _newly_served(server, resource, witness, updated)
        ask = await _request(server, resource, witness)
        before = await ask()
        if before.is_refusal:
            return f"it was refused before: {before.message}"
        await server.replace(judge_proof.CRDS, updated)
        return await _until(ask, lambda said: said != before)


def _apart(value: JSON, number: int) -> JSON:
    """The same in an API group of its own: a CRD that is being deleted keeps its name a while."""
    text = json.dumps(value).replace("example.com", f"n{number}.example.com")
    return json.loads(text)


async def _newly_served(
    server: judge_proof.Server, resource: kube.Resource, witness: Witness, updated: JSON
) -> str:
    """Why an object that is served now was served before."""
    question = judge_proof.Question(_bare(witness.object), strict=False)

    async def ask() -> judge_proof.Said:
        return await server.ask(resource, question)

    before = await ask()
    await server.replace(judge_proof.CRDS, updated)
    return await _until(ask, lambda said: not said.is_refusal and said != before)


async def _request(server: judge_proof.Server, resource: kube.Resource, witness: Witness) -> Asked:
    """What sends a witness's request; what it stores first is stored."""
    if witness.request == "create":
        question = judge_proof.Question(_bare(witness.object), strict=True)
    else:
        stored = await _stored(server, resource, witness.old or witness.object)
        if witness.request == "read":

            async def read() -> judge_proof.Said:
                found = await server.read(resource, stored["metadata"]["name"])
                return judge_proof.Said(200, object={**found, "metadata": None})

            return read
        labels = witness.object["metadata"].get("labels")
        metadata = {**stored["metadata"], **({"labels": labels} if labels else {})}
        question = judge_proof.Question(
            {**witness.object, "metadata": metadata},
            strict=False,
            old=stored,
            is_of_status=witness.request == "update status",
        )

    async def ask() -> judge_proof.Said:
        return await server.ask(resource, question)

    return ask


async def _stored(server: judge_proof.Server, resource: kube.Resource, value: JSON) -> JSON:
    """An object that is there, with its status."""
    made = await server.store(resource, _bare(value))
    if "status" in value and made.get("status") != value["status"]:
        body = {**made, "status": value["status"]}
        made = await server.replace(resource, body, "status")
    return made


def _bare(value: JSON) -> JSON:
    metadata = {key: value["metadata"][key] for key in _OWN if key in value["metadata"]}
    return {**value, "metadata": metadata}


async def _until(ask: Asked, holds: Callable[[judge_proof.Said], bool]) -> str:
    """Ask until the new CRD is in effect."""
    end = time.monotonic() + _SECONDS
    while True:
        said = await ask()
        if holds(said):
            return ""
        if time.monotonic() > end:
            return f"it is still answered as before: {said.message or said.code}"
        await asyncio.sleep(_PAUSE)


def can_be_asked(case: diff_cases.Case, audience: Audience, witness: Witness) -> bool:
    """Whether a witness is a request about objects of a version, or about the CRD."""
    if witness.request == "install":
        return True
    if witness.request not in REQUESTS or witness.object is None:
        return False
    if "apiVersion" not in witness.object:
        return False
    if not witness.object["apiVersion"].endswith(f"/{witness.version}"):
        return False
    if audience is Audience.READERS and "status" in witness.object:
        return False
    new = [version["name"] for version in case.new["spec"]["versions"]]
    return witness.version in new
