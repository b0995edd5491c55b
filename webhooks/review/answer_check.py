"""Checks webhook responses as kube-apiserver does, as a list of complaints. Pure.

A response with any complaint fails the API request, whatever the response says. Follows
kube-apiserver 1.37: apiserver pkg/admission/plugin/webhook/request/admissionreview.go and
mutating/dispatcher.go; apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import orjson

from schemagen.problems import JSON, kind_of, quoted
from webhooks.review import patch, reviews, verdicts, warnings

Caller: TypeAlias = Literal["mutate", "validate", "convert"]

MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
# metav1's qualified name without the prefix, which the API server adds itself.
_AUDIT_KEY: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def complaints(caller: Caller, review: JSON, answer: JSON) -> list[str]:
    """Return why the API server would refuse a response to a review; empty if it would not.

    A well-formed denial or failure is no complaint.
    """
    check = _conversion if caller == "convert" else _admission
    return [*_envelope(review, answer), *check(caller, review["request"], answer)]


def _envelope(review: JSON, answer: JSON) -> Iterator[str]:
    for name in ("apiVersion", "kind"):
        if answer.get(name) != review.get(name):
            yield f"expected {name} {review.get(name)}, got {quoted(answer.get(name))}"
    response = answer.get("response")
    uid = response.get("uid") if type(response) is dict else None
    if uid != review["request"]["uid"]:
        yield f"expected uid {review['request']['uid']}, got {quoted(uid)}"


# ------------------------------------------------------------------------------------- admission


def _admission(caller: Caller, request: JSON, answer: JSON) -> Iterator[str]:
    response = answer.get("response")
    if type(response) is not dict or type(response.get("allowed")) is not bool:
        yield "expected a boolean at response.allowed"
        return
    if not response["allowed"]:
        yield from _status(response.get("status"))
    yield from _warnings(response.get("warnings", []))
    for key, value in response.get("auditAnnotations", {}).items():
        if not _AUDIT_KEY.fullmatch(key) or type(value) is not str:
            yield f"expected a qualified name and a string in auditAnnotations, got {quoted(key)}"
    if ("patch" in response) != ("patchType" in response):
        yield "expected patch and patchType together"
    elif "patch" in response:
        yield from _patch(caller, request, response)


def _status(status: JSON) -> Iterator[str]:
    code = status.get("code") if type(status) is dict else None
    if type(code) is not int or not 400 <= code < 600:  # noqa: PLR2004 - HTTP's
        yield f"expected a status code of 400 to 599 in a denial, got {quoted(code)}"


def _warnings(texts: Sequence[JSON]) -> Iterator[str]:
    for text in texts:
        if type(text) is not str or not text.isprintable():
            yield f"expected a warning without control characters, got {quoted(text)}"
    if sum(len(text) for text in texts if type(text) is str) > warnings.MAX_TOTAL:
        yield f"expected warnings of at most {warnings.MAX_TOTAL} characters"


def _patch(caller: Caller, request: JSON, response: JSON) -> Iterator[str]:
    if caller == "validate":
        yield "expected no patch from a validating webhook"
    if response["patchType"] != "JSONPatch":
        yield f"expected patchType JSONPatch, got {quoted(response['patchType'])}"
    try:
        operations = orjson.loads(base64.b64decode(response["patch"], validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        yield f"expected a base64-encoded JSON patch: {error}"
        return
    if not operations:
        yield "expected no patch instead of an empty one"
    try:
        patch.applied(request.get("object"), operations)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        yield f"expected an applicable patch: {error!r}"


# ------------------------------------------------------------------------------------ conversion


def _conversion(caller: Caller, request: JSON, answer: JSON) -> Iterator[str]:
    del caller
    response = answer.get("response")
    result = response.get("result") if type(response) is dict else None
    status = result.get("status") if type(result) is dict else None
    if status == "Failure" and type(result) is dict and result.get("message"):
        return
    if status != "Success" or type(response) is not dict:
        yield f"expected result.status Success, or Failure with a message, got {quoted(status)}"
        return
    requested = request["objects"] or []
    objects = response.get("convertedObjects") or []
    if len(objects) != len(requested):
        yield f"expected {len(requested)} objects, got {len(objects)}"
        return
    for index, (before, after) in enumerate(zip(requested, objects, strict=True)):
        for complaint in _object(before, after, request["desiredAPIVersion"]):
            yield f"convertedObjects[{index}]: {complaint}"


def _object(before: JSON, after: JSON, desired: str) -> Iterator[str]:
    if after.get("apiVersion") != desired:
        yield f"expected apiVersion {desired}, got {quoted(after.get('apiVersion'))}"
    if after.get("kind") != before.get("kind"):
        yield f"expected kind {before.get('kind')}, got {quoted(after.get('kind'))}"
    metadata = after.get("metadata")
    if type(metadata) is not dict:
        yield f"expected an object at metadata, got {kind_of(metadata)}"
        return
    for name in ("name", "namespace", "uid"):
        if metadata.get(name) != before.get("metadata", {}).get(name):
            yield f"expected metadata.{name} unchanged, got {quoted(metadata.get(name))}"
    yield from _texts(metadata)


def _texts(metadata: JSON) -> Iterator[str]:
    for name in ("labels", "annotations"):
        texts = metadata.get(name) or {}
        if type(texts) is not dict or not all(type(text) is str for text in texts.values()):
            yield f"expected a map of strings at metadata.{name}"
        elif name == "annotations" and _size(texts) > MAX_ANNOTATIONS_BYTES:
            yield f"expected annotations of at most {MAX_ANNOTATIONS_BYTES} bytes"


def _size(texts: dict[str, str]) -> int:
    return sum(len(key.encode()) + len(text.encode()) for key, text in texts.items())


def failure(caller: Caller, body: bytes, response: bytes) -> verdicts.Failed | None:
    """Return the verdict to answer instead, if the API server would refuse the response.

    Args:
        caller: The called webhook.
        body: Body of the review.
        response: The response as it would be sent.
    """
    review = reviews.decode(body)
    refusals = complaints(caller, review, orjson.loads(response))
    if not refusals:
        return None
    message = f"internal error: the API server would refuse the response: {'; '.join(refusals)}"
    return verdicts.Failed(reviews.envelope_of(review), message, verdicts.INTERNAL_ERROR)
