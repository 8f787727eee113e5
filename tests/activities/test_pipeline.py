"""Fixed statements in one round trip: prepared once, whatever happens around them."""

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DataError, IntegrityError

from database.pipeline import Statement, numbers, send, texts
from tests.support.shop import new_reference

_INSERT = "INSERT INTO warehouses (name) SELECT unnest(%s::text[]) RETURNING name"


def test_a_text_that_comes_twice_is_prepared_once(engine: Engine) -> None:
    """Also when neither of them has been sent on this connection before."""
    doubled = f"SELECT value * 2 AS {new_reference('column').replace('-', '_')} FROM unnest(%s::bigint[]) AS value"
    with engine.connect() as connection:
        statements = [Statement(doubled, (numbers([1, 2]),)), Statement(doubled, (numbers([3]),))]
        assert send(connection, statements) == [[(2,), (4,)], [(6,)]]
        assert send(connection, statements) == [[(2,), (4,)], [(6,)]]


def test_after_a_refusal_nothing_is_stored_and_the_connection_goes_on(engine: Engine) -> None:
    """The first statement of a pipeline goes with the second, which fails; the next transaction has both prepared."""
    name, other = new_reference("warehouse"), new_reference("warehouse")
    with engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with pytest.raises(IntegrityError):
            send(connection, [Statement(_INSERT, (texts([name]),)), Statement(_INSERT, (texts([name]),))])
        connection.rollback()
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == pid
        assert send(connection, [Statement(_INSERT, (texts([name, other]),))]) == [[(name,), (other,)]]
        connection.rollback()
        assert connection.execute(text("SELECT count(*) FROM warehouses WHERE name = :n"), {"n": name}).scalar() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE short_lived (); ALTER TABLE short_lived ADD COLUMN number int",
        "SELECT 1; CREATE TEMPORARY TABLE short_lived (); DROP TABLE short_lived",
        "create temporary table short_lived (); drop table short_lived",
        "DEALLOCATE ALL",
        "ROLLBACK",
    ],
)
def test_after_a_statement_at_which_the_driver_drops_what_is_prepared(engine: Engine, statement: str) -> None:
    """The driver does so once it has prepared one itself; a pipeline that counted on its own would be refused."""
    twice = Statement("SELECT value * 2 FROM unnest(%s::bigint[]) AS value", (numbers([4]),))
    with engine.connect() as connection:
        assert send(connection, [twice]) == [[(8,)]]
        for _ in range(10):
            connection.exec_driver_sql("SELECT 1")
        assert _prepared_by_the_driver(connection) > 0
        connection.exec_driver_sql(statement)
        assert _prepared_by_the_driver(connection) == 0
        assert send(connection, [twice]) == [[(8,)]]
        connection.rollback()


def test_after_a_transaction_that_the_pool_has_ended(engine: Engine) -> None:
    """A pipeline's own transaction, which SQLAlchemy doesn't know of, is rolled back when the connection goes back."""
    thrice = Statement("SELECT value * 3 FROM unnest(%s::bigint[]) AS value", (numbers([4]),))
    pids = set()
    for _ in range(2):
        with engine.connect() as connection:
            for _ in range(10):
                connection.exec_driver_sql("SELECT 1")
            pids.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            connection.commit()
            assert send(connection, [thrice]) == [[(12,)]]
    assert len(pids) == 1


def _prepared_by_the_driver(connection: Connection) -> int:
    found = connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements WHERE starts_with(name, '_pg3_')")
    return int(found.scalar_one())


@pytest.mark.parametrize("value", ['quote " and \\ backslash', "{braces},commas", "NULL", "", " \n\t", "ä€𝄞"])
def test_a_text_arrives_as_it_is(engine: Engine, value: str) -> None:
    with engine.connect() as connection:
        assert send(connection, [Statement("SELECT unnest(%s::text[])", (texts([value, None]),))]) == [
            [(value,), (None,)]
        ]


def test_a_text_that_cannot_be_stored_is_refused_before_anything_is_sent(engine: Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(DataError, match="NUL"):
            send(connection, [Statement(_INSERT, (texts(["a\0b"]),))])
        assert send(connection, [Statement("SELECT 1::bigint")]) == [[(1,)]]
