"""PostgreSQL and its driver: values, indexes, and a pool whose connections have died."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from devstack.stack import StackInfo
from tests.relied_on.conftest import Connect


def test_a_check_for_not_below_zero_lets_nan_pass(connect: Connect) -> None:
    connection = connect()
    connection.execute("CREATE TABLE price (unit_cost numeric(18, 6) NOT NULL CHECK (unit_cost >= 0))")
    connection.execute("INSERT INTO price VALUES (%s)", [Decimal("NaN")])
    [(stored,)] = connection.execute("SELECT unit_cost FROM price").fetchall()
    assert isinstance(stored, Decimal)
    assert stored.is_nan()
    with pytest.raises(errors.NumericValueOutOfRange):
        connection.execute("INSERT INTO price VALUES ('Infinity')")


def test_a_sum_of_whole_numbers_comes_back_as_a_decimal(connect: Connect) -> None:
    [(total, few)] = connect().execute("SELECT sum(n::bigint), sum(n::int) FROM generate_series(1, 3) AS n").fetchall()
    assert (type(total), type(few)) == (Decimal, int)


def test_text_with_a_null_character_is_refused_as_a_data_error_and_half_a_character_by_python(connect: Connect) -> None:
    connection = connect()
    with pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s::text", ["a\x00b"])
    with pytest.raises(errors.UntranslatableCharacter):
        connection.execute("SELECT %s::jsonb", ['"a\\u0000b"'])
    connection.rollback()
    with pytest.raises(UnicodeEncodeError):
        connection.execute("SELECT %s::text", ["a\ud800b"])


@pytest.mark.parametrize(("indexed", "hot"), [("WHERE on_hand < point", 0), ("WHERE is_below", 1)])
def test_an_update_stays_on_its_page_only_where_no_index_mentions_a_column_that_changes(
    connect: Connect, indexed: str, hot: int
) -> None:
    connection = connect()
    connection.execute(f"""
        CREATE TABLE item (item_id int PRIMARY KEY, on_hand int, point int,
            is_below boolean GENERATED ALWAYS AS (on_hand < point) STORED) WITH (fillfactor = 50);
        CREATE INDEX ON item (item_id) {indexed};
        INSERT INTO item VALUES (1, 10, 5)
    """)
    connection.commit()
    connection.execute("UPDATE item SET on_hand = 9")
    counted = "SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid) FROM pg_class"
    assert connection.execute(f"{counted} WHERE oid = 'item'::regclass").fetchall() == [(1, hot)]


def test_four_zones_have_summer_time_in_python_and_none_in_postgresql(connect: Connect) -> None:
    connection = connect()
    [(known,)] = connection.execute("SELECT array_agg(name) FROM pg_timezone_names").fetchall()
    assert isinstance(known, list)
    zones = sorted(available_timezones() & set(known))
    assert len(zones) > 400
    july = datetime(2026, 7, 1, 12, tzinfo=UTC)
    there = connection.execute("SELECT zone, %s AT TIME ZONE zone FROM unnest(%s::text[]) AS zone", [july, zones])
    apart = {
        str(zone): july.astimezone(ZoneInfo(str(zone))).replace(tzinfo=None) - local
        for zone, local in there
        if isinstance(local, datetime) and july.astimezone(ZoneInfo(str(zone))).replace(tzinfo=None) != local
    }
    assert apart == dict.fromkeys(["CET", "EET", "MET", "WET"], timedelta(hours=1))


def test_the_embedded_locale_folds_umlauts_and_sorts_by_code_point(connect: Connect) -> None:
    words = "SELECT array_agg(word ORDER BY word), lower('ÄÖÜ-ẞ') FROM unnest(ARRAY['a', 'Z', 'ä', 'A']) AS word"
    assert connect().execute(words).fetchall() == [(["A", "Z", "a", "ä"], "äöü-ß")]


def test_one_dead_connection_makes_a_pool_renew_all_that_are_as_old(stack: StackInfo) -> None:
    url = stack.database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, pool_size=3, max_overflow=0)
    pid = text("SELECT pg_backend_pid()")
    with engine.connect() as first, engine.connect() as second, engine.connect() as third:
        pids = [each.execute(pid).scalar_one() for each in (first, second, third)]
    with psycopg.connect(stack.database_url, autocommit=True) as administrator:
        for each in pids:
            administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [each])
    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.execute(pid)
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.execute(pid).scalar_one() not in pids
    engine.dispose()


@pytest.mark.parametrize(("uses", "left"), [(5, 1), (6, 0)])
def test_the_driver_drops_statements_that_others_prepared(stack: StackInfo, uses: int, left: int) -> None:
    """It does so once it has prepared one itself, which it does at a text's sixth use."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("PREPARE on_hand AS SELECT 1")
        connection.commit()
        for _ in range(uses):
            connection.execute("SELECT 1")
        connection.rollback()
        still_there = "SELECT count(*) FROM pg_prepared_statements WHERE name = 'on_hand'"
        assert connection.execute(still_there).fetchall() == [(left,)]
