"""The connection in a Memory's Secret."""

import pytest

from controllers.readiness.memory import connections
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.runs.runtimes.egress import Allowed

WORD = "s3cret word"


def read(kind: str, key: str = "", **values: str) -> connections.Connection:
    given = {name.replace("_", "."): text.encode() for name, text in values.items()}
    return connections.read(kind, given, key)


def test_url_is_read_from_the_key() -> None:
    found = read(
        "Postgres", "dsn", dsn="postgres://me:s3cret%20word@db.team:5433/notes?sslmode=verify-full"
    )

    assert ("db.team", 5433, "me", "notes") == (
        *(found.host, found.port, found.username, found.database),
    )
    assert WORD == found.password
    assert "verify-full" == found.tls


def test_entries_of_a_service_binding_are_read() -> None:
    found = read("Postgres", host="db", username="me", password=WORD, database="notes", ca_crt="x")

    assert ("db", 5432, "me", WORD, "notes", "prefer", "x") == (
        *(found.host, found.port, found.username, found.password, found.database),
        *(found.tls, found.ca_pem),
    )


def test_scheme_of_redis_decides_on_tls() -> None:
    assert "verify-full" == read("Redis", uri="rediss://:x@store").tls
    assert "disable" == read("Redis", uri="redis://store/3").tls


def test_pinecone_needs_only_its_key() -> None:
    found = read("Pinecone", "only", only=WORD)

    assert (connections.PINECONE, WORD) == (found.url, found.password)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("Postgres", {}),
        ("Postgres", {"uri": f"mysql://me:{WORD}@db"}),
        ("Postgres", {"uri": WORD}),
        ("Postgres", {"uri": f"postgres://me:{WORD}@db:x/"}),
        ("Postgres", {"host": "db", "port": WORD}),
        ("Postgres", {"host": "db", "sslmode": "sometimes"}),
        ("Weaviate", {"url": f"ftp://me:{WORD}@db"}),
    ],
)
def test_refusal_shows_nothing_of_the_secret(kind: str, values: dict[str, str]) -> None:
    with pytest.raises(connections.UndescribedError) as refusal:
        read(kind, **values)

    assert "expected" in str(refusal.value)
    assert WORD not in str(refusal.value)
    assert "me" not in str(refusal.value).split()


def test_representation_shows_no_password() -> None:
    assert WORD not in repr(read("Postgres", host="db", password=WORD))


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        *(("10.1.2.3", True), ("192.168.1.1", True), ("8.8.8.8", True), ("fd12::1", True)),
        *(("127.0.0.1", False), ("127.8.8.8", False), ("::1", False), ("0.0.0.0", False)),  # noqa: S104 - refused
        *(("169.254.169.254", False), ("fe80::1%eth0", False), ("fd00:ec2::254", False)),
        *(("168.63.129.16", False), ("100.100.100.200", False), ("192.0.0.192", False)),
        *(("::ffff:127.0.0.1", False), ("64:ff9b::a9fe:a9fe", False), ("::ffff:10.0.0.1", True)),
        *(("2002:7f00:1::", False), ("224.0.0.1", False), ("::", False)),
    ],
)
def test_addresses_of_the_controllers_own_machine_are_refused(
    address: str, *, is_allowed: bool
) -> None:
    assert is_allowed == StoreAddresses(Allowed()).has_address(address)


def test_operator_allows_addresses_and_names() -> None:
    addresses = StoreAddresses(Allowed.of(["127.0.0.0/8", "store.local"]))

    assert addresses.has_address("127.0.0.1")
    assert addresses.has_host("Store.local.")
    assert not addresses.has_address("169.254.169.254")
