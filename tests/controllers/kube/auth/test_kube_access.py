"""Kubeconfigs, pods and exec plugins as ways to a cluster, on a real API server."""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import os
import pathlib
import ssl
import tempfile
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from certs import authority
from controllers import kube
from controllers.kube.auth import access, discovery, exec_plugins, kubeconfigs
from schemagen import yaml as schemagen_yaml

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SELF_REVIEWS = kube.Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
API_VERSION = "client.authentication.k8s.io/v1"


async def who(client: kube.Client) -> kube.JSON:
    """Return the user that the API server sees."""
    body = {"apiVersion": SELF_REVIEWS.api_version, "kind": SELF_REVIEWS.kind}
    user: kube.JSON = (await client.create(SELF_REVIEWS, body))["status"]["userInfo"]
    return user


async def who_by(path: pathlib.Path) -> str:
    async with kube.Client.from_kubeconfig(path) as client:
        return str((await who(client))["username"])


def script(directory: pathlib.Path, text: str) -> pathlib.Path:
    path = directory / "plugin"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def credential(status: kube.JSON) -> str:
    return json.dumps({"apiVersion": API_VERSION, "kind": "ExecCredential", "status": status})


@pytest.mark.e2e
async def test_token_of_a_kubeconfig_is_used(configs: Any, token: str, namespace: str) -> None:
    path = configs.write({"token": token})

    assert await who_by(path) == f"system:serviceaccount:{namespace}:robot"


@pytest.mark.e2e
async def test_token_file_is_read_again_when_the_token_is_refused(
    configs: Any, token: str, tmp_path: pathlib.Path, namespace: str
) -> None:
    file = tmp_path / "token"
    file.write_text("stale\n")
    path = configs.write({"tokenFile": "token"})

    async with kube.Client.from_kubeconfig(path) as client:
        with pytest.raises(kube.UnauthorizedError) as caught:
            await who(client)
        file.write_text(f"{token}\n")
        user = await who(client)

    assert str(caught.value).startswith("Unauthorized, in response to POST /apis/authentication")
    assert user["username"] == f"system:serviceaccount:{namespace}:robot"


async def test_token_file_is_read_again_every_minute(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    clock = [0.0]
    credentials = access.TokenFile(file, monotonic=lambda: clock[0])

    seen = [await credentials.identity()]
    file.write_text("two")
    for clock[0] in (59.0, 60.0):
        seen.append(await credentials.identity())

    assert [identity.headers[0][1] for identity in seen] == [
        "Bearer one",
        "Bearer one",
        "Bearer two",
    ]


@pytest.mark.e2e
async def test_exec_plugin_says_who_we_are(
    configs: Any, token: str, tmp_path: pathlib.Path, namespace: str
) -> None:
    script(tmp_path, f"echo '{credential({'token': token})}'")
    path = configs.write({"exec": {"apiVersion": API_VERSION, "command": "./plugin"}})

    assert await who_by(path) == f"system:serviceaccount:{namespace}:robot"


@pytest.mark.e2e
async def test_exec_plugin_is_asked_again_once_when_its_token_is_refused(
    configs: Any, token: str, tmp_path: pathlib.Path, namespace: str
) -> None:
    script(
        tmp_path,
        f"""cd "$DIRECTORY"; echo run >> runs
if [ "$(wc -l < runs)" -eq 1 ]; then echo '{credential({"token": "stale"})}'
else echo '{credential({"token": token})}'; fi""",
    )
    environment = [{"name": "DIRECTORY", "value": str(tmp_path)}]
    plugin = {"apiVersion": API_VERSION, "command": "./plugin", "env": environment}

    async with kube.Client.from_kubeconfig(configs.write({"exec": plugin})) as client:
        users = await asyncio.gather(*(who(client) for _ in range(5)))

    assert {user["username"] for user in users} == {f"system:serviceaccount:{namespace}:robot"}
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


@pytest.mark.e2e
async def test_certificate_of_an_exec_plugin_is_used(
    configs: Any, tmp_path: pathlib.Path, client: kube.Client
) -> None:
    certificate, key = (pem.decode() for pem in configs.certificate)
    said = tmp_path / "said.json"
    said.write_text(credential({"clientCertificateData": certificate, "clientKeyData": key}))
    script(tmp_path, f"cat {said}")
    path = configs.write({"exec": {"apiVersion": API_VERSION, "command": "./plugin"}})

    assert await who_by(path) == (await who(client))["username"]


@pytest.mark.e2e
async def test_refused_certificate_of_an_exec_plugin_is_replaced_on_new_connections(
    configs: Any, tmp_path: pathlib.Path, client: kube.Client
) -> None:
    foreign = authority.issue_client(authority.new_authority("foreign", now=NOW), "x", now=NOW)
    pairs = [(foreign.certificate_pem, foreign.key_pem), configs.certificate]
    for number, (certificate, key) in enumerate(pairs, 1):
        status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
        (tmp_path / f"said{number}.json").write_text(credential(status))
    script(
        tmp_path,
        f"""cd {tmp_path}; echo run >> runs
if [ "$(wc -l < runs)" -eq 1 ]; then cat said1.json; else cat said2.json; fi""",
    )
    path = configs.write({"exec": {"apiVersion": API_VERSION, "command": "./plugin"}})

    async with kube.Client.from_kubeconfig(path) as renewed:
        users = [await who(renewed), *await asyncio.gather(*(who(renewed) for _ in range(3)))]

    assert {user["username"] for user in users} == {(await who(client))["username"]}
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'log in first' >&2; exit 3", "exited with status 3: log in first"),
        ("echo hello", "expected an ExecCredential as JSON or YAML from the exec plugin"),
        ("echo 'a: [b'", "expected an ExecCredential as JSON or YAML from the exec plugin"),
        ("printf '\\377\\000'", "expected an ExecCredential as JSON or YAML from the exec plugin"),
        ("echo null", "expected an ExecCredential as JSON or YAML from the exec plugin"),
        ("kill -9 $$", "exited with status -9"),
        ("echo '{}'", "expected `status` in the ExecCredential"),
        (
            f"echo '{credential({})}'",
            "expected a token, or clientCertificateData with clientKeyData",
        ),
        (f"echo '{credential({'clientKeyData': 'x'})}'", "got ['clientKeyData']"),
        (f"echo '{credential({'token': 5})}'", "expected a string at token, got int"),
        (f"echo '{credential({'token': ['t']})}'", "expected a string at token, got list"),
        (f"echo '{credential({'token': 'a' + chr(7)})}'", "expected a single-line token"),
        (
            f"echo '{credential({'token': 't', 'expirationTimestamp': 'tomorrow'})}'",
            "at expirationTimestamp, got 'tomorrow'",
        ),
        (
            f"echo '{credential({'token': 't', 'expirationTimestamp': '2030-01-01T00:00:00'})}'",
            "at expirationTimestamp, got '2030-01-01T00:00:00'",
        ),
        (
            f"echo '{credential({'token': 't', 'expirationTimestamp': 5})}'",
            "expected a string at expirationTimestamp, got int",
        ),
        (
            f"echo '{credential({'token': 'x'}).replace('/v1', '/v9')}'",
            f"expected an ExecCredential of {API_VERSION} from",
        ),
    ],
)
async def test_exec_plugin_that_fails_is_told_and_not_taken_for_nobody(
    tmp_path: pathlib.Path, text: str, message: str
) -> None:
    script(tmp_path, text)
    path = written(tmp_path, {"exec": {"apiVersion": API_VERSION, "command": "./plugin"}})

    with pytest.raises(kube.ConfigurationError) as caught:
        await kubeconfigs.load(str(path), None)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "status",
    [
        {"token": " t \n"},
        {"token": "t", "expirationTimestamp": None, "more": {"a": 1}},
        {"token": "t", "clientCertificateData": "", "clientKeyData": None},
        {"token": "t", "expirationTimestamp": "2001-01-01T00:00:00Z"},
    ],
)
def test_odd_answers_of_an_exec_plugin_are_taken_as_kubectl_does(status: Any) -> None:
    as_json = credential(status).encode()
    as_yaml = schemagen_yaml.dumps(json.loads(as_json)).encode()
    config = {"apiVersion": API_VERSION, "command": "x"}

    for output in (as_json, as_yaml, as_json.replace(b'"kind": "ExecCredential", ', b"")):
        assert status == exec_plugins.parse(output, config)


@pytest.mark.parametrize("name", ["./plugin", "bin/../plugin", "../own/plugin"])
async def test_exec_plugin_is_found_from_the_folder_of_a_relative_kubeconfig(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    script(folder, f"echo '{credential({'token': 't'})}'")
    path = written(folder, {"exec": {"apiVersion": API_VERSION, "command": name}})

    for current, given in ((folder, path.name), (tmp_path, f"own/{path.name}")):
        monkeypatch.chdir(current)
        found = await kubeconfigs.load(given, None)
        assert access.bearer("t") == (await found.credentials.identity()).headers


@pytest.mark.parametrize(
    ("stanza", "message"),
    [
        ("plugin", "expected a mapping at the user's `exec`, got 'plugin'"),
        ({"command": 5}, "expected `command` as a string in the user's exec stanza, got int"),
        ({"command": ""}, "expected `command` as a string in the user's exec stanza, got ''"),
        (
            {"apiVersion": None},
            "expected `apiVersion` as a string in the user's exec stanza, got none",
        ),
        ({"args": "x"}, "expected a list of strings at `args`"),
        ({"args": [5]}, "expected a list of strings at `args`"),
        ({"args": ["a\0b"]}, "could not run the kubeconfig's exec plugin"),
        ({"env": {"A": "b"}}, "expected a list of `name` and `value` at `env`"),
        ({"env": [{"value": "b"}]}, "expected a list of `name` and `value` at `env`"),
        ({"env": [{"name": "A=", "value": "a\0b"}]}, "could not run the kubeconfig's exec plugin"),
        ({"interactiveMode": "Sometimes"}, "IfAvailable or Always, got 'Sometimes'"),
        ({"command": "."}, "could not run the kubeconfig's exec plugin '.'"),
    ],
)
async def test_odd_stanza_of_an_exec_plugin_is_told(
    tmp_path: pathlib.Path, stanza: Any, message: str
) -> None:
    script(tmp_path, "true")
    whole = {"apiVersion": API_VERSION, "command": "./plugin"}
    given = {**whole, **stanza} if isinstance(stanza, dict) else stanza
    path = written(tmp_path, {"exec": given})

    with pytest.raises(kube.ConfigurationError) as caught:
        await kubeconfigs.load(str(path), None)

    assert message in str(caught.value)


async def test_variable_of_an_exec_plugin_without_a_value_is_empty(tmp_path: pathlib.Path) -> None:
    said = credential({"token": "TOKEN"})
    script(tmp_path, f"""echo '{said}' | sed "s/TOKEN/x$A/" """)
    stanza = {"apiVersion": API_VERSION, "command": "./plugin", "env": [{"name": "A"}]}

    found = await kubeconfigs.load(str(written(tmp_path, {"exec": stanza})), None)

    assert access.bearer("x") == (await found.credentials.identity()).headers


async def test_missing_exec_plugin_says_how_to_install_it(tmp_path: pathlib.Path) -> None:
    plugin = {"apiVersion": API_VERSION, "command": "no-such-plugin", "installHint": "brew it"}
    path = written(tmp_path, {"exec": plugin})

    with pytest.raises(
        kube.ConfigurationError, match=r"'no-such-plugin': No such file .*; brew it"
    ):
        await kubeconfigs.load(str(path), None)


async def test_exec_plugin_that_hangs_is_ended(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 1000")
    path = written(tmp_path, {"exec": {"apiVersion": API_VERSION, "command": "./plugin"}})
    monkeypatch.setattr(exec_plugins, "DEADLINE_SECONDS", 0.2)

    with pytest.raises(kube.ConfigurationError, match=r"to finish within .* s: run it manually"):
        await kubeconfigs.load(str(path), None)

    with contextlib.suppress(FileNotFoundError), pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_exec_plugin_is_asked_again_when_its_token_has_expired(
    tmp_path: pathlib.Path,
) -> None:
    expires = NOW + dt.timedelta(hours=1)
    said = credential({"token": "t", "expirationTimestamp": expires.isoformat()})
    script(tmp_path, f"echo run >> {tmp_path}/runs; echo '{said}'")
    now = [NOW]
    plugin = exec_plugins.ExecPlugin(
        {"apiVersion": API_VERSION, "command": "./plugin"},
        tmp_path,
        {},
        ssl.create_default_context(),
        now=lambda: now[0],
    )

    runs = []
    for now[0] in (NOW, expires - dt.timedelta(seconds=11), expires - dt.timedelta(seconds=10)):
        await plugin.identity()
        runs.append((tmp_path / "runs").read_text().count("run"))

    assert runs == [1, 1, 2]


def test_exec_plugin_learns_of_the_cluster_if_it_wants_to() -> None:
    config = {
        "apiVersion": API_VERSION,
        "provideClusterInfo": True,
        "env": [{"name": "A", "value": "b"}],
    }

    environment = exec_plugins.environment(config, {"server": "https://x"})

    assert environment["A"] == "b"
    assert json.loads(environment["KUBERNETES_EXEC_INFO"]) == {
        "apiVersion": API_VERSION,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://x"}},
    }


def test_exec_plugin_that_needs_a_terminal_is_refused() -> None:
    config = {"apiVersion": API_VERSION, "command": "x", "interactiveMode": "Always"}

    with pytest.raises(kube.ConfigurationError, match="got interactiveMode Always for 'x'"):
        exec_plugins.command(config, pathlib.Path())


@pytest.mark.e2e
async def test_kubeconfig_that_acts_as_somebody_else_has_no_more_rights_than_they(
    configs: Any,
) -> None:
    acting = {"as": "jane", "as-groups": ["a", "b"], "as-uid": "7", "as-user-extra": {"k": ["v"]}}
    path = configs.write(configs.admin["users"][0]["user"] | acting)

    async with kube.Client.from_kubeconfig(path) as client:
        user = await who(client)
        with pytest.raises(kube.ForbiddenError, match='User "jane" cannot list'):
            await client.list(kube.SECRETS)

    assert (user["username"], user["uid"]) == ("jane", "7")
    assert {"a", "b"} <= set(user["groups"])
    assert user["extra"] == {"k": ["v"]}


@pytest.mark.e2e
async def test_user_without_credentials_is_nobody(configs: Any) -> None:
    with pytest.raises(kube.ForbiddenError, match='User "system:anonymous" cannot'):
        await who_by(configs.write(None))


@pytest.mark.e2e
async def test_server_is_verified_by_the_name_the_kubeconfig_says(configs: Any, token: str) -> None:
    wrong = configs.write({"token": token}, name="wrong", **{"tls-server-name": "wrong.test"})
    unverified = configs.write(
        {"token": token},
        name="unverified",
        without=("certificate-authority", "certificate-authority-data"),
        **{"insecure-skip-tls-verify": True},
    )

    with pytest.raises(kube.UnreachableError, match=r"not trusted .*wrong\.test"):
        await who_by(wrong)

    assert (await who_by(unverified)).startswith("system:serviceaccount:")


@pytest.mark.e2e
async def test_requests_go_through_the_proxy_that_the_kubeconfig_says(
    configs: Any, token: str
) -> None:
    asked = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0].decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        path = configs.write({"token": token}, **{"proxy-url": f"http://127.0.0.1:{port}"})
        with pytest.raises(kube.UnreachableError, match="502"):
            await who_by(path)

    server = configs.admin["clusters"][0]["cluster"]["server"].removeprefix("https://")
    assert asked == [f"CONNECT {server} HTTP/1.1"]


@pytest.mark.e2e
async def test_pod_uses_its_service_account(
    configs: Any, token: str, tmp_path: pathlib.Path, namespace: str
) -> None:
    (tmp_path / "token").write_text(f"{token}\n")
    (tmp_path / "ca.crt").write_bytes(configs.ca_pem)
    server = configs.admin["clusters"][0]["cluster"]["server"]
    host, port = server.removeprefix("https://").split(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}

    async with kube.Client(discovery.in_cluster(tmp_path, environment)) as client:
        user = await who(client)

    assert user["username"] == f"system:serviceaccount:{namespace}:robot"


async def test_outside_of_a_pod_the_way_out_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(kube.ConfigurationError, match="outside of a cluster, set KUBECONFIG"):
        await discovery.in_cluster(tmp_path, {})()


@pytest.mark.parametrize(
    ("token", "ca", "message"),
    [
        (" \n", "-----", "expected a token in"),
        ("t", None, "ca.crt, got No such file"),
        ("t", "", "expected a CA in"),
    ],
)
async def test_unusable_service_account_is_told(
    tmp_path: pathlib.Path, token: str, ca: str | None, message: str
) -> None:
    (tmp_path / "token").write_text(token)
    if ca is not None:
        (tmp_path / "ca.crt").write_text(ca)
    environment = {"KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": "6443"}

    with pytest.raises(kube.ConfigurationError, match=message):
        await discovery.in_cluster(tmp_path, environment)()


async def test_pod_of_an_ipv6_cluster_finds_its_api_server(
    configs_of_pod: pathlib.Path,
) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}

    found = await discovery.in_cluster(configs_of_pod, environment)()

    assert "https://[fd00::1]:443" == found.server
    assert (("Authorization", "Bearer t"),) == (await found.credentials.identity()).headers


@pytest.fixture
def configs_of_pod(tmp_path: pathlib.Path) -> pathlib.Path:
    """The mount of a pod's service account."""
    ca = authority.new_authority("x", now=NOW)
    (tmp_path / "ca.crt").write_bytes(ca.certificate_pem)
    (tmp_path / "token").write_text("t\n")
    return tmp_path


async def test_provider_that_kubectl_lacks_is_told(tmp_path: pathlib.Path) -> None:
    provider = {"name": "gcp", "config": {"access-token": "hunter2"}}
    path = written(tmp_path, {"auth-provider": provider})

    with pytest.raises(kube.ConfigurationError, match="use an exec plugin") as caught:
        await kubeconfigs.load(str(path), None)

    assert "hunter2" not in str(caught.value)


def written(directory: pathlib.Path, user: kube.JSON, **cluster: Any) -> pathlib.Path:
    """Write a kubeconfig that needs no API server."""
    content = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1/", **cluster}}],
        "users": [{"name": "x", "user": user}],
    }
    path = directory / "config"
    path.write_text(json.dumps(content))
    return path


async def test_contexts_of_several_files_are_merged(tmp_path: pathlib.Path) -> None:
    first = written(tmp_path, {"username": "jane", "password": "secret"})
    other = tmp_path / "other"
    contexts = [{"name": name, "context": {"cluster": "x"}} for name in ("x", "y")]
    other.write_text(json.dumps({"current-context": "y", "contexts": contexts}))
    paths = os.pathsep.join([str(tmp_path / "missing"), str(first), str(other)])

    current = await kubeconfigs.load(paths, None)
    named = await kubeconfigs.load(paths, "y")

    basic = base64.b64encode(b"jane:secret").decode()
    assert current.server == "https://127.0.0.1:1"
    assert (await current.credentials.identity()).headers == (("Authorization", f"Basic {basic}"),)
    assert (await named.credentials.identity()).headers == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "expected YAML in the kubeconfig"),
        ("- 1", "expected a mapping in the kubeconfig"),
        ("{}", "got no current-context"),
        ("current-context: x\ncontexts: []", "got no context named 'x'"),
    ],
)
async def test_unusable_kubeconfig_is_named(
    tmp_path: pathlib.Path, text: str, message: str
) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(kube.ConfigurationError) as caught:
        await kubeconfigs.load(str(path), None)

    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.e2e
async def test_refused_oidc_token_says_what_to_do(configs: Any) -> None:
    provider = {"name": "oidc", "config": {"id-token": "hunter2"}}

    with pytest.raises(kube.ConfigurationError) as caught:
        await who_by(configs.write({"auth-provider": provider}))

    assert "got one that the API server refuses: log in again" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_missing_kubeconfig_says_what_to_do(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    with pytest.raises(kube.ConfigurationError) as caught:
        async with kube.Client.from_environment():
            pass

    assert str(caught.value) == (
        f"expected a kubeconfig at {tmp_path}/none, got no such file: pass its path or "
        "set KUBECONFIG"
    )


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        ({"certificate-authority-data": "?"}, {}, "expected base64 in certificate-authority-data"),
        ({"certificate-authority-data": "AAAA"}, {}, "expected PEM certificates as certificate"),
        ({"certificate-authority": "none.crt"}, {}, "none.crt"),
        ({}, {"client-key-data": "AAAA"}, "both client-certificate and client-key or neither"),
        ({}, {"tokenFile": "none"}, "none, got No such file or directory"),
        (
            {},
            {"client-key-data": "AAAA", "client-certificate-data": "AAAA"},
            "expected a PEM client certificate and its unencrypted PEM key",
        ),
    ],
)
async def test_unusable_entry_of_a_kubeconfig_is_told(
    tmp_path: pathlib.Path, cluster: kube.JSON, user: kube.JSON, message: str
) -> None:
    path = written(tmp_path, user, **cluster)

    with pytest.raises(kube.ConfigurationError) as caught:
        await kubeconfigs.load(str(path), None)

    assert message in str(caught.value)


def test_servers_are_verified_as_kubectl_does() -> None:
    context = access.tls_context()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN


def sent_by(client: ssl.SSLContext, server: ssl.SSLContext) -> set[bytes]:
    """The certificates, in DER, that a client sends in a handshake."""
    forth, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(back, forth, server_hostname="localhost"),
        server.wrap_bio(forth, back, server_side=True),
    )
    for end in ends * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    # Public from Python 3.13 on.
    chain = ends[1]._sslobj.get_unverified_chain()  # type: ignore[attr-defined] # noqa: SLF001
    return {ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain}


def test_client_certificate_is_sent_without_its_authority(tmp_path: pathlib.Path) -> None:
    now = dt.datetime.now(dt.UTC)
    issuer = authority.new_authority("x", now=now)
    pair = authority.issue_client(issuer, "someone", now=now)
    served = authority.issue_server(issuer, ["localhost"], now=now)
    for name, content in (("crt", served.certificate_pem), ("key", served.key_pem)):
        (tmp_path / name).write_bytes(content)
    server = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cadata=issuer.certificate_pem.decode()
    )
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    identity = (pair.certificate_pem, pair.key_pem)
    client = access.tls_context(ca_pem=issuer.certificate_pem, certificate=identity)

    assert sent_by(client, server) == {ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())}


def test_encrypted_client_key_is_refused_without_asking() -> None:
    issuer = authority.new_authority("x", now=NOW)
    pair = authority.issue_client(issuer, "x", now=NOW)
    key = serialization.load_pem_private_key(pair.key_pem, password=None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )

    with pytest.raises(kube.ConfigurationError, match="its unencrypted PEM key"):
        access.tls_context(certificate=(pair.certificate_pem, encrypted))


async def test_private_keys_leave_no_file_behind(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = authority.issue_client(authority.new_authority("x", now=NOW), "x", now=NOW)
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate_pem).decode(),
        "client-key-data": base64.b64encode(pair.key_pem).decode(),
    }
    path = written(tmp_path, user)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    await kubeconfigs.load(str(path), None)

    assert list(temporary.iterdir()) == []


async def test_repr_keeps_credentials_to_itself(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, {"token": "hunter2"}, **{"proxy-url": "http://u:hunter2@127.0.0.1"})

    loaded = await kubeconfigs.load(str(path), None)

    assert (await loaded.credentials.identity()).headers == (("Authorization", "Bearer hunter2"),)
    assert "hunter2" not in repr(loaded)
    assert "hunter2" not in repr(await loaded.credentials.identity())
