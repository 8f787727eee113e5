"""Temporal and PostgreSQL behind TLS: who is let in, what whoever isn't is told, and a certificate that is renewed."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url
from temporalio.client import Client

from activities.health import temporal_look
from database.migrate import require_schema
from database.sessions import Database, connect
from devstack.stack import StackInfo
from stockkeeper import Unreachable
from stockkeeper.client.connection import connect_by, settings_of_connection
from stockkeeper.client.renewal import Renewal, renewable
from tests.support.books import level
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.tls import Authority, Door, server_context
from tests.support.wire import ANSWER_SECONDS
from worker import Settings, working

API_KEY = "a-key-of-the-tests"


class Temporal:
    """A Temporal server with TLS that asks for certificates, and the files of one of its clients."""

    def __init__(self, door: Door, directory: Path) -> None:
        self.door = door
        self.directory = directory
        self.servers, self.clients = Authority("servers"), Authority("clients")
        self.certificate, self.key, self.authority = (directory / name for name in ("c.pem", "c.key", "ca.pem"))
        self.authority.write_bytes(self.servers.pem)
        self.clients.issue("worker").write(self.certificate, self.key)
        self.trust(self.clients)

    def trust(self, clients: Authority) -> None:
        """Let in those clients from now on, and cut all connections."""
        self.door.context = server_context(self.servers.issue("localhost"), self.directory, clients)


@pytest.fixture
def temporal(stack: StackInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Temporal]:
    """Behind a door; the environment's variables say how to get through."""
    host, _, port = stack.temporal_address.rpartition(":")
    any_context = server_context(Authority("any").issue("localhost"), tmp_path)
    with Door((host, int(port)), "temporal", any_context).opened() as door:
        behind = Temporal(door, tmp_path)
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"localhost:{door.port}")
        monkeypatch.setenv("TEMPORAL_NAMESPACE", stack.namespace)
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(behind.authority))
        monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(behind.certificate))
        monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(behind.key))
        yield behind


async def test_a_client_with_a_certificate_gets_in_and_shows_its_api_key(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect_by(settings_of_connection())
    assert (temporal.door.accepted, temporal.door.authorizations) == (1, set())
    monkeypatch.setenv("TEMPORAL_API_KEY", API_KEY)
    await connect_by(settings_of_connection())
    assert (temporal.door.accepted, temporal.door.authorizations) == (2, {f"Bearer {API_KEY}"})


async def test_a_profile_says_the_same_as_the_variables(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch, stack: StackInfo, tmp_path: Path
) -> None:
    profile = tmp_path / "temporal.toml"
    profile.write_text(
        f"""
        [profile.warehouse]
        address = "localhost:{temporal.door.port}"
        namespace = "{stack.namespace}"
        api_key = "{API_KEY}"
        [profile.warehouse.tls]
        server_ca_cert_path = "{temporal.authority}"
        client_cert_path = "{temporal.certificate}"
        client_key_path = "{temporal.key}"
        """
    )
    for name in ("ADDRESS", "NAMESPACE", "TLS_SERVER_CA_CERT_PATH", "TLS_CLIENT_CERT_PATH", "TLS_CLIENT_KEY_PATH"):
        monkeypatch.delenv(f"TEMPORAL_{name}")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(profile))
    monkeypatch.setenv("TEMPORAL_PROFILE", "warehouse")
    await connect_by(settings_of_connection())
    assert (temporal.door.accepted, temporal.door.authorizations) == (1, {f"Bearer {API_KEY}"})


OTHER_AUTHORITY = "another authority has signed it than the one that was given"
HUNG_UP = (
    "Temporal at {} has ended the connection once TLS was set up: most likely it wants another client certificate; "
    "check TEMPORAL_TLS_CLIENT_CERT_PATH"
)
OWN = (
    "the client certificate for Temporal at {} can't be used: %s; check TEMPORAL_TLS_CLIENT_CERT_PATH and "
    "TEMPORAL_TLS_CLIENT_KEY_PATH"
)
NOT_TRUSTED = (
    "the certificate of Temporal at {} isn't to be trusted: %s; check TEMPORAL_TLS_SERVER_CA_CERT_PATH and "
    "TEMPORAL_TLS_SERVER_NAME"
)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("another authority", NOT_TRUSTED % OTHER_AUTHORITY),
        ("another name", NOT_TRUSTED % "it is for another name"),
        ("a server's that ended", NOT_TRUSTED % "its time is over"),
        ("another's key", OWN % "its key belongs to another one"),
        ("no key", OWN % "its key isn't one in PEM"),
        ("not a certificate", OWN % "it isn't one in PEM"),
        ("no certificate", HUNG_UP),
        ("one that ended", HUNG_UP),
        ("one of others", HUNG_UP),
    ],
)
async def test_whoever_is_not_let_in_is_told(
    temporal: Temporal, monkeypatch: pytest.MonkeyPatch, wrong: str, told: str
) -> None:
    match wrong:
        case "another authority":
            temporal.authority.write_bytes(Authority("servers").pem)
        case "another name":
            monkeypatch.setenv("TEMPORAL_TLS_SERVER_NAME", "temporal.example.com")
        case "a server's that ended":
            ended = temporal.servers.issue("localhost", ended=True)
            temporal.door.context = server_context(ended, temporal.directory, temporal.clients)
        case "another's key":
            temporal.key.write_bytes(temporal.clients.issue("worker").key)
        case "no key":
            temporal.key.write_bytes(b"a key")
        case "not a certificate":
            temporal.certificate.write_bytes(b"a certificate")
        case "no certificate":
            monkeypatch.delenv("TEMPORAL_TLS_CLIENT_CERT_PATH")
            monkeypatch.delenv("TEMPORAL_TLS_CLIENT_KEY_PATH")
        case "one that ended":
            temporal.clients.issue("worker", ended=True).write(temporal.certificate, temporal.key)
        case _:
            Authority("clients").issue("worker").write(temporal.certificate, temporal.key)
    with pytest.raises(Unreachable) as caught:
        await connect_by(settings_of_connection())
    assert str(caught.value) == told.format(f"localhost:{temporal.door.port}")


async def test_a_certificate_is_renewed_while_the_worker_runs(
    temporal: Temporal,
    our_client: Client,
    plain_client: Client,
    database: Database,
    settings: Settings,
    shop: Shop,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    del our_client  # The search attributes are there.
    caplog.set_level(logging.INFO, "stockkeeper.connection")
    item, reference, queue = shop.item(10), new_reference(), new_reference("queue")
    orders = Orders(plain_client, queue)
    before = settings_of_connection()
    client = renewable(await connect_by(before))
    renewal = Renewal(client, before)
    async with working(client, database, settings.model_copy(update={"task_queue": queue})):
        await orders.reserve(reference, (item, 3))
        assert not await renewal.look()

        # The certificate is there before its key: nothing is swapped, and the worker goes on.
        renewed = Authority("clients")
        certificate = renewed.issue("worker")
        temporal.certificate.write_bytes(certificate.certificate)
        assert not await renewal.look()
        await orders.extend(reference, 60)
        certificate.write(temporal.certificate, temporal.key)
        temporal.trust(renewed)
        assert await renewal.look()
        assert not await renewal.look()

        # From now on nobody gets in with the one of before.
        temporal.door.cut()
        with pytest.raises(Unreachable, match="most likely it wants another client certificate"):
            await connect_by(before)
        result = await orders.fulfill(reference)
        assert (result["status"], level(engine, item)) == ("FULFILLED", (7, 0))
        # So does the worker for bulk work beside it.
        run = await plain_client.start_workflow(
            "ReplenishmentPlanWorkflow", {"warehouse_id": shop.warehouse()}, id=new_reference("plan"), task_queue=queue
        )
        assert (await asyncio.wait_for(run.result(), ANSWER_SECONDS))["status"] == "DONE"
        # What else holds the client goes over the new connection, too.
        assert [seen.ok for seen in await temporal_look(client).seen()] == [True]
        await plain_client.get_workflow_handle(f"reservation-{reference}").result()
    told = [each.getMessage() for each in caplog.records if each.name == "stockkeeper.connection"]
    reason = OWN.format(f"localhost:{temporal.door.port}") % "its key belongs to another one"
    assert told == [
        f"the connection to Temporal stays as it is, because its new settings don't work: {reason}",
        "connected to Temporal anew: the certificate or another setting of the connection has changed",
    ]


def _url(stack: StackInfo, port: int, **query: str) -> str:
    url = make_url(stack.database_url).set(host="localhost", port=port)
    return url.update_query_dict(query).render_as_string(hide_password=False)


def test_postgresql_is_reached_with_its_certificate_checked_to_the_name(
    stack: StackInfo, engine: Engine, tmp_path: Path
) -> None:
    del engine  # The schema is there.
    servers, others = Authority("servers"), Authority("others")
    there, elsewhere = tmp_path / "servers.pem", tmp_path / "others.pem"
    there.write_bytes(servers.pem)
    elsewhere.write_bytes(others.pem)
    url = make_url(stack.database_url)
    leads_to = (url.host or "", url.port or 0)
    with Door(leads_to, "postgresql", server_context(servers.issue("localhost"), tmp_path)).opened() as door:
        right = connect(_url(stack, door.port, sslmode="verify-full", sslrootcert=str(there)), pool_size=1)
        require_schema(right)
        with right.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            assert raw.pgconn.ssl_in_use
        right.dispose()
        assert door.accepted == 1
        why = _refused(_url(stack, door.port, sslmode="verify-full", sslrootcert=str(elsewhere)))
        assert why == (
            f"no PostgreSQL answers at localhost:{door.port} to {url.username}: connection failed: connection to "
            f'server at "127.0.0.1", port {door.port} failed: SSL error: certificate verify failed'
        )
        door.context = server_context(servers.issue("db.example.com"), tmp_path)
        why = _refused(_url(stack, door.port, sslmode="verify-full", sslrootcert=str(there)))
        assert why.endswith('server certificate for "db.example.com" does not match host name "localhost"')
        # Without the name it would have got in.
        without = connect(_url(stack, door.port, sslmode="verify-ca", sslrootcert=str(there)), pool_size=1)
        require_schema(without)
        without.dispose()
    # The server itself has no TLS here: whoever asks for it doesn't go on without.
    host, port = leads_to
    plain = make_url(_url(stack, port, sslmode="verify-full", sslrootcert=str(there))).set(host=host)
    assert _refused(plain.render_as_string(hide_password=False)).endswith(
        "server does not support SSL, but SSL was required"
    )


def _refused(url: str) -> str:
    engine = connect(url, pool_size=1)
    with pytest.raises(Unreachable) as caught:
        require_schema(engine)
    engine.dispose()
    return str(caught.value)
