"""A CA created here may only sign for its servers' names; a new name triggers a rotation."""

import contextlib
import datetime as dt
import pathlib
import ssl
from typing import cast

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import authority, rotation_secret, rotator, tls_contexts
from certs.directory import files, renewal
from certs.directory.contents import CA_CERTIFICATE, CA_KEY, FileError
from controllers import kube
from tests.support import depth, two_years

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ["a.test", "b.a.test", "ba.test", "10.0.0.1", "10.0.0.2", "::1", "2001:db8::1", "localhost"]
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
PAIRS = st.tuples(
    st.sets(st.sampled_from([*NAMES, "*.w.test"]), min_size=1), st.sampled_from(NAMES)
)


def verdict(issuer: authority.Pair, leaf: authority.Pair, name: str) -> str:
    """Why OpenSSL, strictly by RFC 5280, refuses a certificate; empty if it does not."""
    client = ssl.create_default_context(cadata=issuer.certificate_pem.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        tls_contexts.server_context(leaf).wrap_bio(to_server, to_client, server_side=True),
    )
    for side in sides * 3:
        try:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return ""


@settings(max_examples=depth.draws(60), deadline=None)
@given(PAIRS)
def test_leaf_is_verified_exactly_where_its_name_is_permitted(pair: tuple[set[str], str]) -> None:
    permitted, name = pair
    issuer = authority.new_authority("x", now=NOW, names=permitted)
    leaf = authority.issue_server(issuer, [name], now=NOW)

    is_permitted = authority.permits(issuer.certificate, name)

    assert is_permitted == (not verdict(issuer, leaf, name))
    assert is_permitted or name not in permitted


@pytest.mark.parametrize(
    "names",
    [["127.0.0.1"], ["::1"], ["webhooks.agents.svc"], ["127.0.0.1", "localhost"], ["*.w.test"]],
    ids=" ".join,
)
def test_constraints_are_critical_and_their_own_server_is_verified(names: list[str]) -> None:
    issuer = authority.new_authority("x", now=NOW, names=names)
    leaf = authority.issue_server(issuer, names, now=NOW)

    found = issuer.certificate.extensions.get_extension_for_class(x509.NameConstraints)

    assert found.critical
    assert "" == verdict(issuer, leaf, names[0].replace("*", "x"))
    assert "" != verdict(issuer, authority.issue_server(issuer, ["e.test"], now=NOW), "e.test")
    assert "" != verdict(issuer, authority.issue_server(issuer, ["1.2.3.4"], now=NOW), "1.2.3.4")


def test_authority_of_before_may_sign_for_any_name() -> None:
    issuer = authority.new_authority("x", now=NOW)

    assert all(authority.permits(issuer.certificate, name) for name in NAMES)


def test_new_name_in_a_directory_begins_a_new_authority_and_the_old_one_stays_trusted(
    tmp_path: pathlib.Path,
) -> None:
    first = files.load_or_create(tmp_path, ["a.test"], NOW)

    second = files.load_or_create(tmp_path, ["127.0.0.1"], NOW)

    old, (new, *others) = (authority.read_bundle(each.ca_pem or b"") for each in (first, second))
    assert old == others
    assert [True, True, False] == [
        authority.permits(new, name) for name in ("a.test", "127.0.0.1", "c.test")
    ]
    assert {"a.test", "127.0.0.1"} == renewal.covered(second.server.certificate)
    assert second == files.load_or_create(tmp_path, ["a.test"], NOW)


def test_given_authority_that_may_not_sign_for_a_name_is_refused(tmp_path: pathlib.Path) -> None:
    given = authority.new_authority("theirs", now=NOW, names=["a.test"])
    (tmp_path / CA_CERTIFICATE).write_bytes(given.certificate_pem)
    (tmp_path / CA_KEY).write_bytes(given.key_pem)
    (tmp_path / CA_KEY).chmod(0o600)

    with pytest.raises(FileError, match=r"expected a CA that may sign for c\.test"):
        files.load_or_create(tmp_path, ["a.test", "c.test"], NOW)


class Replicas:
    """Replicas that share a CA, in steps of their hold time."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.clock = folder, two_years.Clock()
        self.cluster = two_years.FakeCluster()
        self.keepers: dict[str, rotator.Rotator] = {}

    async def start(self, identity: str, *names: str) -> None:
        """Create a replica with its own names."""
        served = self.folder / identity
        made = rotator.Rotator(
            cast("kube.Client", self.cluster),
            ("agents", "webhooks"),
            self.cluster.targets,
            names,
            served,
            identity=identity,
            settings=rotator.Settings(hold_seconds=60.0, lease_seconds=60.0),
            served=lambda: [authority.fingerprint(files.read_pair(served).certificate)],
            now=self.clock.wall,
            clock=self.clock.boot,
        )
        await made.start()
        self.keepers[identity] = made

    async def settle(self) -> rotation_secret.Stored:
        """Run until nothing is left to do; return the stored state."""
        for _ in range(40):
            await self.look()
        return await self.look()

    async def look(self) -> rotation_secret.Stored:
        """Reconcile each replica once, ten seconds later; return the stored state."""
        self.clock.seconds += 10
        for each in self.keepers.values():
            await each.reconcile_once()
        return rotation_secret.read(await self.cluster.get(kube.SECRETS, "webhooks"))

    def covered(self, identity: str) -> set[str]:
        return renewal.covered(files.read_pair(self.folder / identity).certificate)


async def test_replica_with_a_new_name_begins_a_rotation_to_an_authority_for_all(
    tmp_path: pathlib.Path,
) -> None:
    replicas = Replicas(tmp_path)
    await replicas.start("one", "one.test", "localhost")
    alone = await replicas.settle()

    await replicas.start("two", "two.test", "localhost")
    served_first = replicas.covered("two")
    both = await replicas.settle()

    names = ("one.test", "two.test", "localhost", "three.test")
    permitted = [
        [authority.permits(found.active.certificate, name) for name in names]
        for found in (alone, both)
    ]
    assert [[True, False, True, False], [True, True, True, False]] == permitted
    assert {"localhost"} == served_first, "until then, what the first authority may sign for"
    assert ({"one.test", "localhost"}, {"two.test", "localhost"}) == (
        replicas.covered("one"),
        replicas.covered("two"),
    )
    assert (1, 2, (2,)) == (alone.state.active, both.state.active, both.state.published)


async def test_replica_of_before_that_tells_no_names_is_not_locked_out(
    tmp_path: pathlib.Path,
) -> None:
    replicas = Replicas(tmp_path)
    await replicas.start("one", "one.test")
    await replicas.settle()
    lease = await replicas.cluster.get(kube.LEASES, "webhooks-one")
    del lease["metadata"]["annotations"][rotation_secret.SERVER_NAMES]
    del replicas.keepers["one"]

    await replicas.start("two", "two.test")
    for _ in range(12):
        await replicas.cluster.create(kube.LEASES, lease)  # it is renewed
        await replicas.look()
    found = await replicas.look()

    assert 2 == found.state.published[-1]
    newest = found.authorities[2].certificate
    assert all(authority.permits(newest, name) for name in NAMES)
