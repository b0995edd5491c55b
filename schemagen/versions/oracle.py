"""What kube-apiserver accepts of a conversion webhook's answer, as a list of its complaints.

After apiextensions-apiserver 1.37, pkg/apiserver/conversion/webhook_converter.go: an answer with
any complaint makes the read, write or deletion fail that asked for it.
"""

from collections.abc import Iterator

from schemagen.problems import JSON, kind_of, quoted

API_VERSION = "apiextensions.k8s.io/v1"


def complaints(review: JSON, answer: JSON) -> list[str]:
    """Why the API server would reject an answer to a v1 ConversionReview; empty if it would not."""
    return list(_complaints(review["request"], answer))


def _complaints(request: JSON, answer: JSON) -> Iterator[str]:
    if answer.get("apiVersion") != API_VERSION or answer.get("kind") != "ConversionReview":
        yield f"expected ConversionReview of {API_VERSION}, got {quoted(answer.get('kind'))}"
    response = answer.get("response")
    if type(response) is not dict:
        yield f"expected an object at response, got {kind_of(response)}"
        return
    if response.get("uid") != request["uid"]:
        yield f"expected uid {request['uid']}, got {quoted(response.get('uid'))}"
    status = response.get("result", {}).get("status")
    if status != "Success":
        yield f"expected result.status Success, got {quoted(status)}"
        return
    wanted = request["objects"] or []
    objects = response.get("convertedObjects") or []
    if len(objects) != len(wanted):
        yield f"expected {len(wanted)} objects, got {len(objects)}"
        return
    for index, (before, after) in enumerate(zip(wanted, objects, strict=True)):
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
    for name in ("labels", "annotations"):
        texts = metadata.get(name) or {}
        if type(texts) is not dict or not all(type(text) is str for text in texts.values()):
            yield f"expected a map of strings at metadata.{name}"
