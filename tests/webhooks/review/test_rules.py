"""What reaches the rules of an API, and the handling of broken rules."""

import asyncio
import base64
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from schemagen import Api, Facts, FieldPath, NotLookedUpError, Problem, Rules, User
from schemagen.model.registry import Version
from schemagen.problems import JSON
from schemagen.versions.converter import Converter
from tests.support import workshop
from webhooks import routing
from webhooks.cluster import configuration
from webhooks.review import admission, reviews, verdicts

SPEC = FieldPath().member("spec")


def bench(version: str = "v2", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"workshop.example.com/{version}",
        "kind": "Bench",
        "metadata": {"name": "one", "namespace": "team"},
        "spec": spec,
    }


def review_of(value: Any, old: Any = None, **more: Any) -> bytes:
    group, _, version = (value or old)["apiVersion"].partition("/")
    request = {
        "uid": "1",
        "kind": {"group": group, "version": version, "kind": (value or old)["kind"]},
        "resource": {"group": group, "version": version, "resource": "benches"},
        "name": "one",
        "namespace": "team",
        "operation": "CREATE" if old is None else "UPDATE",
        "object": value,
        "oldObject": old,
        **more,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()


def answered(api: Api, path: str, body: bytes, **known: Any) -> Any:
    """The response of a server with the API."""
    found = routing.answer(routing.routes(api, **known)[path], body)
    if inspect.isawaitable(found):
        found = asyncio.run(_awaited(found))
    return json.loads(found.body)["response"]


async def _awaited(answer: Any) -> Any:
    return await answer


def causes(response: Any) -> list[tuple[str, str]]:
    found = response.get("status", {}).get("details", {}).get("causes", [])
    return [(cause["field"], cause["message"]) for cause in found]


def recording(seen: list[Facts]) -> Rules:
    def validate(value: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
        del value, old
        seen.append(facts)
        yield from ()

    return Rules(
        validate=validate,
        operations=("CREATE", "UPDATE", "DELETE"),
        subresources=("status", "scale"),
    )


USER = {"username": "ada", "uid": "7", "groups": ["admins"], "extra": {"scopes": ["a", "b"]}}
ADA = User(username="ada", uid="7", groups=("admins",), extra={"scopes": ("a", "b")})


@pytest.mark.parametrize(
    ("body", "operation", "subresource"),
    [
        (review_of(bench(), userInfo=USER), "CREATE", ""),
        (review_of(bench(priority=1), bench(), userInfo=USER), "UPDATE", ""),
        (review_of(None, bench(), operation="DELETE", userInfo=USER), "DELETE", ""),
        (review_of(bench(), bench(), subResource="status", userInfo=USER), "UPDATE", "status"),
    ],
)
def test_rules_know_who_asks_for_what_and_where(
    body: bytes, operation: str, subresource: str
) -> None:
    seen: list[Facts] = []

    response = answered(workshop.api(rules=recording(seen)), "/validate", body)

    assert response["allowed"]
    user = seen[0].user
    assert ("ada", "7", ["admins"], {"scopes": ["a", "b"]}) == (
        user.username,
        user.uid,
        [*user.groups],
        {name: [*values] for name, values in user.extra.items()},
    )
    assert ("team", operation, subresource) == (
        seen[0].namespace,
        seen[0].operation,
        seen[0].subresource,
    )


def test_group_of_the_user_decides() -> None:
    value = bench(size={"replicas": 7})
    admin = review_of(value, userInfo={"groups": ["admins"]})

    assert not answered(workshop.api(), "/validate", review_of(value))["allowed"]
    assert answered(workshop.api(), "/validate", admin)["allowed"]


# --------------------------------------------------------------------------------------- deletion


def test_rule_that_asks_for_deletions_refuses_one() -> None:
    body = review_of(None, bench("v1", owner="me"), operation="DELETE")

    response = answered(workshop.api(), "/validate", body)

    assert [("spec.owner", "expected nobody to hold it")] == causes(response)


def test_what_is_wrong_without_a_deletion_does_not_keep_an_object() -> None:
    body = review_of(None, bench(size={"replicas": 9}), operation="DELETE")

    assert answered(workshop.api(), "/validate", body)["allowed"]


def test_object_that_is_going_already_is_let_go() -> None:
    value = bench(holder="me")
    value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    body = review_of(None, value, operation="DELETE")

    assert answered(workshop.api(), "/validate", body)["allowed"]


def test_deletion_is_not_refused_by_rules_that_do_not_ask_for_it() -> None:
    api = workshop.api(rules=Rules(validate=workshop.validate))
    body = review_of(None, bench(holder="me"), operation="DELETE")

    assert answered(api, "/validate", body)["allowed"]


# ------------------------------------------------------------------------------------------ scale


def scale(replicas: int, version: str = "v1") -> bytes:
    value = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "one", "namespace": "team"},
        "spec": {"replicas": replicas},
    }
    names = {"group": "workshop.example.com", "version": version, "resource": "benches"}
    return review_of(value, value, subResource="scale", resource=names)


def fetching(found: JSON | None) -> Callable[..., Any]:
    async def fetch(kind: Any, version: Version, namespace: str, name: str) -> JSON | None:
        assert ("Bench", "team", "one") == (kind.name, namespace, name)
        del version
        return found

    return fetch


@pytest.mark.parametrize(
    ("version", "spec"), [("v1", {"replicas": 2}), ("v2", {"size": {"replicas": 2}})]
)
def test_scale_past_a_rule_is_refused(version: str, spec: dict[str, Any]) -> None:
    known = {"fetch": fetching(bench(version, **spec))}

    refused = answered(workshop.api(), "/validate", scale(7, version), **known)
    allowed = answered(workshop.api(), "/validate", scale(5, version), **known)

    assert [("spec.replicas", "expected at most 5, got 7")] == causes(refused)
    assert (
        'Scale "one" is invalid: spec.replicas: expected at most 5, got 7'
        == (refused["status"]["message"])
    )
    assert allowed["allowed"]


def test_scale_past_a_bound_of_the_hub_is_refused_in_an_older_version() -> None:
    known = {"fetch": fetching(bench("v1", replicas=2))}

    response = answered(workshop.api(), "/validate", scale(0), **known)

    assert ["spec.replicas"] == [field for field, _ in causes(response)]


def test_scale_of_what_is_not_there_is_left_to_the_api_server() -> None:
    assert answered(workshop.api(), "/validate", scale(7), fetch=fetching(None))["allowed"]


def test_scale_that_cannot_be_judged_is_refused_with_a_way_out() -> None:
    response = answered(workshop.api(), "/validate", scale(7))

    assert (503, False) == (response["status"]["code"], response["allowed"])
    assert "serve with --look-up" in response["status"]["message"]


def test_scale_of_a_kind_whose_rules_do_not_ask_is_not_looked_up() -> None:
    rules = Rules(validate=workshop.validate, subresources=())

    assert answered(workshop.api(rules=rules), "/validate", scale(7, "v2"))["allowed"]


# --------------------------------------------------------------------------------------- defaults


def defaulting(default: Any, **more: Any) -> Api:
    return workshop.api(rules=Rules(default=default, **more))


def patch_of(response: Any) -> Any:
    return json.loads(base64.b64decode(response.get("patch", "W10=")))


def _holds_me(value: JSON, facts: Facts) -> JSON:
    del facts
    return {**value, "spec": {**value["spec"], "holder": "me"}}


CHANGED = (
    "Rules.default of Bench: expected only additional fields, got spec.holder changed "
    "from 'you' to {}; return what the user wrote, or declare Rules(default=..., may_change=True)"
)
NO_OBJECT = "Rules.default of Bench: expected the object with its defaults"
FAULTS: dict[str, tuple[Any, str]] = {
    "a change": (
        _holds_me,
        CHANGED.format("'me'"),
    ),
    "a removal": (
        lambda value, _: {**value, "spec": {}},
        CHANGED.format("nothing"),
    ),
    "nothing": (
        lambda *_: None,
        f"{NO_OBJECT}, got None; does it return the object?",
    ),
    "a list": (
        lambda *_: [],
        f"{NO_OBJECT}, got array",
    ),
}


@pytest.mark.parametrize("stage", [admission.mutate, admission.review])
@pytest.mark.parametrize("name", FAULTS)
def test_default_that_does_more_than_add_is_an_error_that_names_it(
    name: str, stage: admission.Stage
) -> None:
    default, message = FAULTS[name]
    request = reviews.admission_request(review_of(bench(holder="you")))

    answer = verdicts.review_of(admission.decide(stage, Converter(defaulting(default)), request))

    assert {
        "uid": "1",
        "allowed": False,
        "status": {
            "status": "Failure",
            "code": 500,
            "reason": "InternalError",
            "message": message,
        },
    } == answer["response"]


def test_default_may_change_what_it_says_that_it_may() -> None:
    api = defaulting(_holds_me, may_change=True)

    response = answered(api, "/mutate", review_of(bench("v1", owner="you")))

    assert [{"op": "replace", "path": "/spec/owner", "value": "me"}] == patch_of(response)


def test_default_that_adds_is_a_patch() -> None:
    response = answered(defaulting(_holds_me), "/mutate", review_of(bench("v1")))

    assert [{"op": "add", "path": "/spec/owner", "value": "me"}] == patch_of(response)


def test_rule_that_returns_nothing_is_an_error_that_names_it() -> None:
    api = workshop.api(rules=Rules(validate=lambda *_: None))  # type: ignore[arg-type] # what happens

    response = answered(api, "/validate", review_of(bench()))

    assert "Rules.validate of Bench: expected problems" in response["status"]["message"]


# ---------------------------------------------------------------------------------------- related


def asking(seen: list[Any]) -> Api:
    def validate(value: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
        del value, old
        try:
            seen.append(facts.find("Bench", "other"))
        except NotLookedUpError as error:
            seen.append(str(error))
        yield from ()

    return workshop.api(rules=Rules(validate=validate, related=lambda _: [("Bench", "other")]))


@pytest.mark.parametrize("known", [None, {"kind": "Bench"}])
def test_rule_tells_what_is_there_from_what_is_not(known: JSON | None) -> None:
    seen: list[Any] = []

    async def read(namespace: str, names: Any) -> Mapping[tuple[str, str], JSON | None]:
        assert ("team", [("Bench", "other")]) == (namespace, [*names])
        return {("Bench", "other"): known}

    assert answered(asking(seen), "/validate", review_of(bench()), read=read)["allowed"]
    assert [known] == seen


def test_rule_is_told_that_nobody_looked() -> None:
    seen: list[Any] = []

    assert answered(asking(seen), "/validate", review_of(bench()))["allowed"]
    message = (
        "expected Bench other among the looked-up objects; name it in Rules.related, and "
        "serve with --look-up"
    )
    assert [message] == seen


@pytest.mark.parametrize(
    "given",
    [{"operations": "DELETE"}, {"operations": ("CONNECT",)}, {"subresources": ("log",)}],
)
def test_words_that_rules_do_not_know_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="expected a tuple of"):
        Rules(**given)


# ---------------------------------------------------------------------------------- configuration


def sent(api: Api) -> dict[str, list[tuple[str, list[str], list[str]]]]:
    """What each webhook is sent: resource, versions, operations."""
    return {
        one["kind"]: [
            (rule["resources"][0], rule["apiVersions"], rule["operations"])
            for rule in one["webhooks"][0]["rules"]
        ]
        for one in configuration.configurations(api, configuration.at_url("https://127.0.0.1"))
    }


# Residue is looked after, where there is any.
MUTATED = {"MutatingWebhookConfiguration": [("benches", ["v1", "v2"], ["CREATE", "UPDATE"])]}


def test_server_is_sent_what_it_judges() -> None:
    assert MUTATED | {
        "ValidatingWebhookConfiguration": [
            ("benches", ["v1", "v2"], ["CREATE", "UPDATE"]),
            ("benches", ["v1", "v2"], ["DELETE"]),
            ("benches/status", ["v1", "v2"], ["UPDATE"]),
            ("benches/scale", ["v1", "v2"], ["UPDATE"]),
        ]
    } == sent(workshop.api())


def test_server_is_not_sent_what_it_does_not_judge() -> None:
    api = workshop.api("off", rules=Rules())
    (_, validating) = configuration.configurations(api, configuration.at_url("https://127.0.0.1"))
    (condition,) = [
        one["expression"]
        for one in validating["webhooks"][0]["matchConditions"]
        if one["name"] == "has-something-to-judge"
    ]

    assert MUTATED | {
        "ValidatingWebhookConfiguration": [
            ("benches", ["v1", "v2"], ["CREATE", "UPDATE"]),
            ("benches/status", ["v1", "v2"], ["UPDATE"]),
        ]
    } == sent(api)
    # Of writes of the status, those where something found no room.
    subresource = "(has(request.subResource) ? request.subResource : '')"
    assert (
        f"!(request.resource.resource + '/' + {subresource} + '/' + request.resource.version in "
        "['benches//v2', 'benches/status/v1', 'benches/status/v2']) || "
        f"({subresource} == 'status' && object != null && has(object.metadata.annotations) && "
        f"object.metadata.annotations.exists(k, k.startsWith('conversion.{api.group}/') && "
        "k.endsWith('-overflow')))"
    ) == condition
