"""PostgreSQL: what a statement sees after it has waited, and what its time limits count."""

import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors

from tests.relied_on.conftest import Connect, Connection, waiting

Two = tuple[Connection, Connection]

STOCK = """
    CREATE TABLE item (item_id int PRIMARY KEY, on_hand int NOT NULL);
    CREATE TABLE line (line_id int PRIMARY KEY, item_id int NOT NULL REFERENCES item, quantity int NOT NULL);
    INSERT INTO item VALUES (1, 10), (2, 10);
    INSERT INTO line VALUES (1, 1, 4)
"""


@pytest.fixture
def two(connect: Connect) -> Two:
    """Two connections, beside two items and a line."""
    first, second = connect(), connect()
    first.execute(STOCK)
    first.commit()
    return first, second


def meanwhile(call: Callable[[], None]) -> threading.Thread:
    """Make a call in another thread."""
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_a_statement_that_waited_for_a_lock_sees_the_new_row_beside_old_lines(two: Two) -> None:
    first, second = two
    first.execute("UPDATE item SET on_hand = 3 WHERE item_id = 1")
    first.execute("INSERT INTO line VALUES (2, 1, 3)")
    seen: list[tuple[object, ...]] = []

    def lock_and_read() -> None:
        statement = """
            SELECT on_hand, (SELECT sum(quantity) FROM line WHERE line.item_id = item.item_id)
            FROM item WHERE item_id = 1 FOR NO KEY UPDATE
        """
        seen.extend(second.execute(statement).fetchall())
        seen.extend(second.execute("SELECT sum(quantity) FROM line WHERE item_id = 1").fetchall())

    reading = meanwhile(lock_and_read)
    waiting(first, second)
    first.commit()
    reading.join(10)

    assert seen == [(3, 4), (7,)]  # One statement: the new row, the old lines. The next one sees all.


def test_an_insert_that_waited_for_the_same_key_does_nothing_and_the_next_statement_sees_the_others_row(
    two: Two,
) -> None:
    first, second = two
    insert = "INSERT INTO item VALUES (3, %s) ON CONFLICT DO NOTHING RETURNING item_id"
    assert first.execute(insert, [1]).fetchall() == [(3,)]
    seen: list[tuple[object, ...]] = []

    def claim() -> None:
        seen.extend(second.execute(insert, [2]).fetchall())
        seen.extend(second.execute("SELECT on_hand FROM item WHERE item_id = 3").fetchall())

    claiming = meanwhile(claim)
    waiting(first, second)
    first.commit()
    claiming.join(10)

    assert seen == [(1,)]


def test_an_upsert_whose_condition_is_false_returns_no_row_and_counts_none(two: Two) -> None:
    first, _ = two
    upsert = """
        INSERT INTO item AS known VALUES (1, %s) ON CONFLICT (item_id) DO UPDATE SET on_hand = excluded.on_hand
        WHERE known.on_hand <> excluded.on_hand RETURNING item_id
    """
    same = first.execute(upsert, [10])
    assert (same.rowcount, same.fetchall()) == (0, [])
    other = first.execute(upsert, [11])
    assert (other.rowcount, other.fetchall()) == (1, [(1,)])


@pytest.mark.parametrize(("strength", "waits"), [("NO KEY UPDATE", False), ("UPDATE", True)])
def test_a_row_locked_for_no_key_update_lets_the_checks_of_foreign_keys_pass(
    two: Two, strength: str, waits: bool
) -> None:
    first, second = two
    first.execute(f"SELECT FROM item WHERE item_id = 1 FOR {strength}")
    second.execute("SET lock_timeout = '50ms'")
    insert = "INSERT INTO line VALUES (9, 1, 1)"
    if waits:
        with pytest.raises(errors.LockNotAvailable):
            second.execute(insert)
    else:
        assert second.execute(insert).rowcount == 1


def test_a_lock_timeout_counts_each_lock_anew(connect: Connect) -> None:
    holders = [connect(), connect()]
    holders[0].execute(STOCK)
    holders[0].commit()
    for item_id, holder in enumerate(holders, start=1):
        holder.execute("SELECT FROM item WHERE item_id = %s FOR UPDATE", [item_id])
    waiter = connect()
    waiter.execute("SET lock_timeout = '2s'")
    seen: list[float] = []

    def lock_both() -> None:
        began = time.monotonic()
        waiter.execute("SELECT FROM item ORDER BY item_id FOR UPDATE")
        seen.append(time.monotonic() - began)

    locking = meanwhile(lock_both)
    for holder in holders:
        waiting(holder, waiter)
        holder.execute("SELECT pg_sleep(1.2)")
        holder.commit()
    locking.join(10)

    [seconds] = seen
    assert seconds > 2


def test_where_both_limits_are_due_the_statements_limit_is_the_one_that_is_reported(two: Two) -> None:
    first, second = two
    first.execute("SELECT FROM item WHERE item_id = 1 FOR UPDATE")
    second.execute("SET lock_timeout = '50ms'; SET statement_timeout = '50ms'")
    with pytest.raises(errors.QueryCanceled) as cancelled:
        second.execute("SELECT FROM item WHERE item_id = 1 FOR UPDATE")
    assert cancelled.value.sqlstate == "57014"


def test_the_statements_limit_is_off_while_a_commit_checks_what_was_deferred(connect: Connect) -> None:
    connection = connect()
    connection.execute("""
        CREATE TABLE ledger (quantity int);
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION slow();
    """)
    connection.commit()
    connection.execute("SET statement_timeout = '100ms'")
    connection.commit()
    connection.execute("INSERT INTO ledger VALUES (1)")
    connection.commit()
    assert connection.execute("SELECT count(*) FROM ledger").fetchall() == [(1,)]

    connection.execute("INSERT INTO ledger VALUES (2)")
    with pytest.raises(errors.QueryCanceled):
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # Asked for before the commit, it counts.


def test_the_transactions_limit_ends_a_commit_that_checks_for_too_long_and_nothing_is_stored(connect: Connect) -> None:
    connection = connect()
    connection.execute("""
        CREATE TABLE checked (quantity int);
        CREATE FUNCTION check_slowly() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON checked DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION check_slowly();
    """)
    connection.commit()
    connection.execute("SET transaction_timeout = '100ms'")
    connection.commit()
    connection.execute("INSERT INTO checked VALUES (1)")
    with pytest.raises(psycopg.Error) as caught:
        connection.commit()
    assert (caught.value.sqlstate, connection.closed) == ("25P04", True)
    assert connect().execute("SELECT count(*) FROM checked").fetchall() == [(0,)]


def test_a_transactions_limit_that_runs_is_not_moved_but_ended_and_begun_anew(connect: Connect) -> None:
    ended, longer = connect(), connect()
    for connection in (ended, longer):
        connection.execute("SET transaction_timeout = '100ms'")
        connection.commit()
    longer.execute(
        "SELECT set_config('transaction_timeout', '0', true), set_config('transaction_timeout', '30s', true)"
    )
    longer.execute("SELECT pg_sleep(0.2)")
    ended.execute("SET LOCAL transaction_timeout = '30s'")
    with pytest.raises(errors.TransactionTimeout):
        ended.execute("SELECT pg_sleep(0.2)")


def test_two_sessions_that_create_a_role_get_unique_violation_and_not_duplicate_object(connect: Connect) -> None:
    first, second = connect(), connect()
    first.execute("CREATE ROLE relied_on_role NOLOGIN")
    seen: list[str | None] = []

    def create() -> None:
        try:
            second.execute("CREATE ROLE relied_on_role NOLOGIN")
        except psycopg.Error as error:
            seen.append(error.sqlstate)

    creating = meanwhile(create)
    waiting(first, second)
    first.commit()
    creating.join(10)
    first.execute("DROP ROLE relied_on_role")
    first.commit()

    assert seen == ["23505"]


def test_a_role_sees_of_another_logins_transaction_that_it_writes_but_not_since_when(connect: Connect) -> None:
    writer, reader = connect(), connect()
    writer.execute(STOCK)
    writer.execute("CREATE ROLE relied_on_reader NOLOGIN")
    writer.commit()
    writer.execute("UPDATE item SET on_hand = 9 WHERE item_id = 1")
    seen = """
        SELECT mode, xact_start IS NULL FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
        WHERE relation = 'relied_on.item'::regclass AND mode = 'RowExclusiveLock'
    """
    assert reader.execute(seen).fetchall() == [("RowExclusiveLock", False)]
    reader.execute("GRANT USAGE ON SCHEMA relied_on TO relied_on_reader")
    reader.execute("SET ROLE relied_on_reader")
    assert reader.execute(seen).fetchall() == [("RowExclusiveLock", True)]
    reader.rollback()
    writer.rollback()
    writer.execute("DROP ROLE relied_on_reader")
    writer.commit()
