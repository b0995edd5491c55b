"""A conversion webhook of somebody else's: renames a field, and fails for some objects.

``python -m tests.support.conversion_webhook DIRECTORY PORT`` serves TLS on loopback with the
certificate of the directory.
"""

import pathlib
import ssl
import sys
from typing import Any

import orjson
from aiohttp import web

UNCONVERTIBLE = "unconvertible"
"""A value of ``spec.note`` with which no conversion succeeds."""
REPAIRED = "repaired"
"""A file of the directory with which it converts these too."""
OLD, NEW = "v1alpha1", "v1"
_RENAMED = {NEW: ("size", "replicas"), OLD: ("replicas", "size")}


def converted(value: dict[str, Any], api_version: str, *, is_repaired: bool) -> dict[str, Any]:
    """An object in a version."""
    spec = dict(value.get("spec") or {})
    if spec.get("note") == UNCONVERTIBLE and not is_repaired:
        raise ValueError(f"{value['metadata']['name']} cannot be converted")
    before, after = _RENAMED[api_version.rpartition("/")[2]]
    if before in spec:
        spec[after] = spec.pop(before)
    return {**value, "apiVersion": api_version} | ({"spec": spec} if "spec" in value else {})


def review(request: dict[str, Any], *, is_repaired: bool) -> dict[str, Any]:
    """The response to a ConversionReview."""
    asked = request["request"]
    response: dict[str, Any] = {"uid": asked["uid"]}
    try:
        response["convertedObjects"] = [
            converted(value, asked["desiredAPIVersion"], is_repaired=is_repaired)
            for value in asked["objects"]
        ]
        response["result"] = {"status": "Success"}
    except ValueError as error:
        response["result"] = {"status": "Failure", "message": str(error)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "response": response,
    }


def main() -> None:
    """Serve until a signal."""
    directory, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")

    async def convert(request: web.Request) -> web.Response:
        is_repaired = (directory / REPAIRED).exists()
        answer = review(orjson.loads(await request.read()), is_repaired=is_repaired)
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    app = web.Application(client_max_size=256 << 20)
    app.router.add_post("/", convert)

    web.run_app(
        app, host="127.0.0.1", port=port, ssl_context=context, print=None, reuse_address=True
    )


if __name__ == "__main__":
    main()
