"""Compare two CRDs apart from their schemas: names, scope, versions, subresources, columns. Pure.

What such a change means follows from how the API server serves a CRD; its witness is the request
that is answered otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from schemagen.compat.changes.changes import Audience, Change, Decided, Outcome, Verdict, Witness
from schemagen.problems import JSON

_ADDED: Final = "nothing that was served is served otherwise"
_NOT_SERVED: Final = "404: the server could not find the requested resource"


def of_names(old: JSON, new: JSON) -> Iterator[Decided]:
    """Yield the changes of a CRD's scope and names."""
    before, after = old["spec"], new["spec"]
    if before.get("scope") != after.get("scope"):
        witness = Witness(
            "install", before="accepted", after="spec.scope: field is immutable", object=None
        )
        text = f"scope changed from {before.get('scope')} to {after.get('scope')}"
        yield _decided(
            Change(
                "scope-changed",
                text,
                before=before.get("scope"),
                after=after.get("scope"),
                place="spec.scope",
            ),
            dict.fromkeys(Audience, breaking("the API server refuses this update", witness)),
        )
    yield from _names(before.get("names") or {}, after.get("names") or {}, old)
    if bool(before.get("preserveUnknownFields")) != bool(after.get("preserveUnknownFields")):
        yield _unknown_fields(before, after)
    yield from _metadata(old.get("metadata") or {}, new.get("metadata") or {})


def _unknown_fields(before: JSON, after: JSON) -> Decided:
    change = Change(
        "preserve-unknown-fields-changed",
        "spec.preserveUnknownFields changed",
        before=before.get("preserveUnknownFields"),
        after=after.get("preserveUnknownFields"),
        place="spec.preserveUnknownFields",
    )
    if after.get("preserveUnknownFields"):
        witness = Witness("install", before="accepted", after="must be false")
        reason = "the API server refuses this update"
    else:
        witness = Witness("read", before={"spec": {"unknown": 1}}, after={"spec": {}})
        reason = "fields that the schema does not declare are dropped now"
    return _decided(change, dict.fromkeys(Audience, breaking(reason, witness)))


def _names(before: JSON, after: JSON, crd: JSON) -> Iterator[Decided]:
    kinds = (before.get("kind"), after.get("kind"))
    if kinds[0] != kinds[1]:
        witness = Witness("install", before="accepted", after="spec.names.kind: field is immutable")
        change = Change(
            "kind-changed",
            f"kind changed from {kinds[0]} to {kinds[1]}",
            before=kinds[0],
            after=kinds[1],
            place="spec.names.kind",
        )
        reason = "the API server refuses this update"
        yield _decided(change, dict.fromkeys(Audience, breaking(reason, witness)))
    lists = (_list_kind(before), _list_kind(after))
    if lists[0] != lists[1] and kinds[0] == kinds[1]:
        witness = Witness(f"GET {collection(crd)}", {"kind": lists[0]}, {"kind": lists[1]})
        change = Change(
            "list-kind-changed",
            f"list kind changed from {lists[0]} to {lists[1]}",
            before=lists[0],
            after=lists[1],
            place="spec.names.listKind",
        )
        yield _decided(change, _readers("a list is of another kind", witness))
    yield from _aliases(before, after, crd)


def _aliases(before: JSON, after: JSON, crd: JSON) -> Iterator[Decided]:
    """Compare the names that discovery offers to kubectl."""
    singular = (_singular(before), _singular(after))
    if singular[0] != singular[1] and before.get("kind") == after.get("kind"):
        yield _alias(
            "singular-changed",
            f"singular changed from {singular[0]} to {singular[1]}",
            singular,
            "spec.names.singular",
            name=singular[0],
            crd=crd,
        )
    for keyword, rule in (("shortNames", "short-name"), ("categories", "category")):
        old, new = before.get(keyword) or [], after.get(keyword) or []
        for name in [name for name in old if name not in new]:
            yield _alias(
                f"{rule}-removed",
                f"{keyword[:-1]} {name} removed",
                (old, new),
                f"spec.names.{keyword}",
                name=name,
                crd=crd,
            )
        for name in [name for name in new if name not in old]:
            change = Change(
                f"{rule}-added",
                f"{keyword[:-1]} {name} added",
                before=old,
                after=new,
                place=f"spec.names.{keyword}",
            )
            yield _decided(change, safe(_ADDED))


def _alias(
    rule: str, text: str, values: tuple[JSON, JSON], place: str, *, name: str, crd: JSON
) -> Decided:
    witness = Witness(
        f"kubectl get {name}",
        before=f"{crd['spec']['names'].get('plural')}",
        after=f"the server doesn't have a resource type {name!r}",
    )
    change = Change(rule, text, before=values[0], after=values[1], place=place)
    return _decided(change, _readers("discovery no longer offers the name", witness))


def _list_kind(names: JSON) -> str:
    return names.get("listKind") or f"{names.get('kind', '')}List"


def _singular(names: JSON) -> str:
    return names.get("singular") or str(names.get("kind", "")).lower()


def _metadata(before: JSON, after: JSON) -> Iterator[Decided]:
    for keyword in ("labels", "annotations"):
        old, new = before.get(keyword) or {}, after.get(keyword) or {}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                change = Change(
                    f"{keyword[:-1]}-changed",
                    f"{keyword[:-1]} {name} changed",
                    before=old.get(name),
                    after=new.get(name),
                    place=f"metadata.{keyword}",
                )
                yield _decided(change, safe("the metadata of a CRD is not part of its API"))


def of_version(old: JSON, new: JSON, crd: JSON) -> Iterator[Decided]:
    """Yield the changes of a version that is served before and now, apart from its schema."""
    yield from _deprecation(old, new)
    yield from _subresources(old, new, crd)
    yield from _columns(old, new, crd)
    yield from _selectable(old, new, crd)


def _deprecation(old: JSON, new: JSON) -> Iterator[Decided]:
    for keyword, rule in (("deprecated", "deprecated"), ("deprecationWarning", "warning")):
        before, after = old.get(keyword) or None, new.get(keyword) or None
        if before != after:
            word = {"deprecated": "deprecated now" if after else "no longer deprecated"}.get(
                keyword, "deprecation warning changed"
            )
            change = Change(
                f"{rule}-changed",
                word,
                version=new["name"],
                before=before,
                after=after,
                place=keyword,
            )
            yield _decided(change, safe("a warning refuses nothing"))


def _subresources(old: JSON, new: JSON, crd: JSON) -> Iterator[Decided]:
    before, after = old.get("subresources") or {}, new.get("subresources") or {}
    item = f"{collection(crd, new['name'])}/NAME"
    if ("status" in before) != ("status" in after):
        yield _status(new["name"], item, is_added="status" in after)
    one, other = before.get("scale"), after.get("scale")
    if one == other:
        return
    if one is None:
        change = Change(
            "scale-added",
            "scale subresource added",
            version=new["name"],
            after=other,
            place="subresources.scale",
        )
        yield _decided(change, safe(_ADDED))
        return
    word = "removed" if other is None else "changed"
    witness = Witness(f"GET {item}/scale", before=one, after=other or _NOT_SERVED)
    change = Change(
        f"scale-{word}",
        f"scale subresource {word}",
        version=new["name"],
        before=one,
        after=other,
        place="subresources.scale" if other else "",
    )
    stored = Verdict(Outcome.SAFE, "subresources do not change what is stored")
    reason = "scaling is answered otherwise"
    if other is not None:
        fields = ("specReplicasPath", "statusReplicasPath")
        if all(one.get(field) == other.get(field) for field in fields) and not one.get(
            "labelSelectorPath"
        ):
            yield _decided(change, safe("a selector is reported where there was none"))
            return
    yield _decided(
        change,
        {
            Audience.WRITERS: breaking(reason, witness),
            Audience.READERS: breaking(reason, witness),
            Audience.STORED: stored,
        },
    )


def _status(version: str, item: str, *, is_added: bool) -> Decided:
    word = "added" if is_added else "removed"
    change = Change(
        f"status-subresource-{word}",
        f"status subresource {word}",
        version=version,
        before=not is_added,
        after=is_added,
        place="subresources" if is_added else "",
    )
    sent = {"status": {"phase": "Ready"}}
    if is_added:
        witness = Witness(
            f"PUT {item}",
            before="status is stored",
            after="status is ignored",
            object=sent,
            version=version,
        )
        reason = "a write of the object no longer changes its status"
    else:
        witness = Witness(
            f"PUT {item}/status", before="200", after=_NOT_SERVED, object=sent, version=version
        )
        reason = "the status cannot be written by itself"
    return _decided(
        change,
        {
            Audience.WRITERS: breaking(reason, witness),
            Audience.READERS: Verdict(Outcome.SAFE, "objects are served as before"),
            Audience.STORED: Verdict(Outcome.SAFE, "subresources do not change what is stored"),
        },
    )


def _columns(old: JSON, new: JSON, crd: JSON) -> Iterator[Decided]:
    keyword = "additionalPrinterColumns"
    before = {column.get("name"): column for column in old.get(keyword) or ()}
    after = {column.get("name"): column for column in new.get(keyword) or ()}
    request = f"GET {collection(crd, new['name'])} (as a Table)"
    for name in [name for name in before if name not in after]:
        change = Change(
            "column-removed",
            f"column {name} removed",
            version=new["name"],
            before=before[name],
            place=keyword if after else "",
        )
        witness = Witness(request, before=before[name], after="no such column")
        yield _decided(change, _readers("the column is no longer printed", witness))
    for name, column in after.items():
        if name not in before:
            change = Change(
                "column-added",
                f"column {name} added",
                version=new["name"],
                after=column,
                place=keyword,
            )
            yield _decided(change, safe(_ADDED))
        elif column != before[name]:
            yield _column(before[name], column, new["name"], request)


def _column(before: JSON, after: JSON, version: str, request: str) -> Decided:
    names = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    change = Change(
        "column-changed",
        f"{', '.join(names)} of column {after['name']} changed",
        version=version,
        before=before,
        after=after,
        place="additionalPrinterColumns",
    )
    if {"jsonPath", "type"} & set(names):
        witness = Witness(request, before=before, after=after)
        return _decided(change, _readers("the column shows something else", witness))
    return _decided(change, safe("how wide or described a column is changes no value"))


def _selectable(old: JSON, new: JSON, crd: JSON) -> Iterator[Decided]:
    keyword = "selectableFields"
    before = [field.get("jsonPath") for field in old.get(keyword) or ()]
    after = [field.get("jsonPath") for field in new.get(keyword) or ()]
    for path in [path for path in before if path not in after]:
        label = str(path).removeprefix(".")
        witness = Witness(
            f"GET {collection(crd, new['name'])}?fieldSelector={label}%3Dx",
            before="200",
            after=f'400: field label not supported: "{label}"',
        )
        change = Change(
            "selectable-field-removed",
            f"selectable field {path} removed",
            version=new["name"],
            before=path,
            place=keyword if after else "",
        )
        yield _decided(change, _readers("a field selector is refused", witness))
    for path in [path for path in after if path not in before]:
        change = Change(
            "selectable-field-added",
            f"selectable field {path} added",
            version=new["name"],
            after=path,
            place=keyword,
        )
        yield _decided(change, safe(_ADDED))


def collection(crd: JSON, version: str | None = None) -> str:
    """Return the URL path of a CRD's objects."""
    spec = crd["spec"]
    name = version or next((v["name"] for v in spec["versions"] if v.get("storage")), "")
    below = "namespaces/default/" if spec.get("scope") == "Namespaced" else ""
    return f"/apis/{spec.get('group')}/{name}/{below}{(spec.get('names') or {}).get('plural')}"


def breaking(reason: str, witness: Witness) -> Verdict:
    """Return that a change breaks an audience."""
    return Verdict(Outcome.BREAKING, reason, witness)


def safe(reason: str) -> dict[Audience, Verdict]:
    """Return that a change is safe for everyone."""
    return dict.fromkeys(Audience, Verdict(Outcome.SAFE, reason))


def _readers(reason: str, witness: Witness) -> dict[Audience, Verdict]:
    """Return that a change breaks readers only."""
    return {
        Audience.WRITERS: Verdict(Outcome.SAFE, "no request that writes changes its answer"),
        Audience.READERS: breaking(reason, witness),
        Audience.STORED: Verdict(Outcome.SAFE, "what is stored stays as it is"),
    }


def _decided(change: Change, verdicts: Mapping[Audience, Verdict]) -> Decided:
    return Decided(change, verdicts)
