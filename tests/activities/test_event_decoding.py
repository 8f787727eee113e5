"""Events as a program reads them that has PostgreSQL alone: by number after a notification, and by logical decoding."""

import random
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text

from database.about import READER_ROLE
from database.events import insert_events, number_events, span
from database.migrate import upgrade
from database.pipeline import send
from database.sessions import connect
from devstack.postgres import EmbeddedPostgres
from tests.support.events import last_number, level, number_all

WRITERS, TRANSACTIONS = 5, 30


@pytest.fixture(scope="module")
def logical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database of a server with ``wal_level = logical``."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("logical"), fast=True, logical=True) as server:
        engine = connect(server.url, pool_size=WRITERS + 3)
        upgrade(engine)
        yield engine
        engine.dispose()


def _url(engine: Engine) -> str:
    return make_url(engine.url).set(drivername="postgresql").render_as_string(hide_password=False)


def write_at_once(engine: Engine) -> int:
    """Many write events at once, commit out of order, and roll some back; how many are committed."""

    def writer(at: int) -> int:
        chance, committed = random.Random(at), 0
        for _ in range(TRANSACTIONS):
            many = chance.randint(1, 4)
            with engine.connect() as connection:
                connection.begin()
                send(connection, [insert_events([level(at) for _ in range(many)])])
                connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": chance.random() * 0.005})
                if chance.random() < 0.3:
                    connection.rollback()
                else:
                    connection.commit()
                    committed += many
        return committed

    done = threading.Event()

    def numberer() -> None:
        while not done.is_set():
            with engine.begin() as connection:
                number_events(connection, most=5)

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        numbering = [pool.submit(numberer) for _ in range(2)]
        try:
            committed = sum(each.result() for each in [pool.submit(writer, at) for at in range(WRITERS)])
        finally:
            done.set()
        for each in numbering:
            each.result()
    number_all(engine)
    return committed


_CHANGES = """
    SELECT data FROM pg_logical_slot_get_binary_changes(
        'followed', NULL, NULL, 'proto_version', '1', 'publication_names', 'events')
"""


def test_logical_decoding_delivers_the_numbers_in_their_order_without_gaps(logical: Engine) -> None:
    before = last_number(logical)
    with logical.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE PUBLICATION events FOR TABLE events WITH (publish = 'insert')"))
        connection.execute(text("SELECT pg_create_logical_replication_slot('followed', 'pgoutput')"))
        try:
            committed = write_at_once(logical)
            decoded = [_inserted(bytes(row.data)) for row in connection.execute(text(_CHANGES))]
            numbers = [int(found[0]) for found in decoded if found is not None]
            assert numbers == list(range(before + 1, before + 1 + committed))
            # What is forgotten isn't published as deleted.
            connection.execute(text("SELECT forget_events(now() + interval '1 day', 1000)"))
            assert [row for row in connection.execute(text(_CHANGES)) if bytes(row.data)[:1] == b"D"] == []
        finally:
            connection.execute(text("SELECT pg_drop_replication_slot('followed')"))
            connection.execute(text("DROP PUBLICATION events"))


def _inserted(message: bytes) -> list[str] | None:
    """The columns of an inserted row in pgoutput's form, as text; None: it is another message."""
    if message[:1] != b"I":
        return None
    [columns], at, found = struct.unpack_from("!h", message, 6), 8, []
    for _ in range(columns):
        kind, at = message[at : at + 1], at + 1
        if kind == b"t":
            [size] = struct.unpack_from("!i", message, at)
            found.append(message[at + 4 : at + 4 + size].decode())
            at += 4 + size
        else:
            found.append("")
    return found


def test_a_reader_who_listens_and_reads_by_number_misses_none(logical: Engine) -> None:
    seen: list[int] = []
    cursor = before = last_number(logical)
    with psycopg.connect(_url(logical), autocommit=True) as reader, ThreadPoolExecutor(1) as pool:
        reader.execute(f"SET ROLE {READER_ROLE}")
        reader.execute("LISTEN stockkeeper_events")
        writing = pool.submit(write_at_once, logical)

        def read() -> None:
            nonlocal cursor
            while rows := reader.execute(
                "SELECT number, type FROM reporting.events WHERE number > %s ORDER BY number LIMIT 7", [cursor]
            ).fetchall():
                assert {kind for _, kind in rows} == {"stockkeeper.level.changed"}
                seen.extend(number for number, _ in rows)
                cursor = rows[-1][0]

        told = 0
        while not writing.done() or told > cursor:
            for notified in reader.notifies(timeout=0.5, stop_after=1):
                told = max(told, int(notified.payload))
            read()
        committed = writing.result()
        read()
    assert seen == list(range(before + 1, before + 1 + committed))
    with logical.connect() as connection:
        assert span(connection).last == before + committed


def test_a_reader_sees_what_was_told_and_not_who_is_behind_it(logical: Engine) -> None:
    with logical.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {READER_ROLE}"))
        columns = connection.execute(text("SELECT * FROM reporting.events LIMIT 0")).keys()
        assert list(columns) == [
            "number",
            "type",
            "subject",
            "partition_key",
            "warehouse_id",
            "product_id",
            "data",
            "happened_at",
        ]
    with logical.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {READER_ROLE}"))
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text("SELECT performed_by FROM public.events"))
