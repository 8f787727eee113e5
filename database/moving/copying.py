"""Rows of a warehouse, brought from one database to a staging area in the other, and compared there.

The long copy is taken while the warehouse sells. What changes meanwhile follows by the transaction that wrote it: a row
that was written later than the snapshot of the copy has a later `xmin`. That may find too many rows, and never too few.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from database.columns import METADATA
from database.moving.parts import PARTS, Part

Session = psycopg.Connection[Any]

_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    # What a step holds longer belongs to a file, and is over later.
    "lock_timeout": "3s",
    "max_parallel_workers_per_gather": "0",
}

_SEEN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


class Sum(NamedTuple):
    """Rows in numbers: how many, and the sum of their digests."""

    rows: int
    digests: int


@contextmanager
def session(url: str) -> Iterator[Session]:
    """A connection of its own, each statement a transaction unless one is begun."""
    options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    libpq = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(
        libpq, autocommit=True, options=options, application_name="stockkeeper-mover", connect_timeout=5
    ) as connection:
        yield connection


def act_as_replica(connection: Session) -> None:
    """Let no trigger of this transaction fire: rows go as they are, and are no events of their own."""
    connection.execute("SET LOCAL session_replication_role = replica")


def staging_of(warehouse_id: int) -> str:
    """The schema in which a warehouse's rows wait."""
    return f"moving_{warehouse_id}"


def staged(warehouse_id: int, part: Part) -> sql.Identifier:
    """The staging table of a part."""
    return sql.Identifier(staging_of(warehouse_id), part.table)


def phrase(text: str) -> sql.SQL:
    """SQL that stands in this package."""
    return sql.SQL(text)


def names(columns: Sequence[str]) -> sql.Composed:
    """Columns, separated by commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def columns_of(part: Part, *, written: bool = False) -> list[str]:
    """The columns of a part's table; those that are written, without generated ones and keys that are given anew."""
    columns = METADATA.tables[part.table].columns
    return [each.name for each in columns if not (written and (each.computed is not None or each.name in part.anew))]


def key_of(part: Part) -> list[str]:
    """The columns of the primary key of a part's table."""
    return [each.name for each in METADATA.tables[part.table].primary_key.columns]


def in_one_go(
    connection: Session, statements: Iterable[sql.Composable], of: Mapping[str, object]
) -> list[tuple[int, Any]]:
    """Carry statements out one after another, with one round trip to the server for all of them.

    Returns:
        Of each: how many rows it has changed or found, and the first one that it has found.
    """
    found: list[tuple[int, Any]] = []
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(sql.SQL(";\n").join(statements), of)
        has_more: bool | None = True
        while has_more:
            found.append((cursor.rowcount, cursor.fetchone() if cursor.description else None))
            has_more = cursor.nextset()
    return found


def copy_all(source: Session, target: Session, warehouse_id: int) -> int:
    """Copy all rows as they are at one instant, in place of what was copied before.

    Returns:
        How many they are.
    """
    schema, copied = sql.Identifier(staging_of(warehouse_id)), 0
    with target.transaction(), source.transaction():
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        target.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
        target.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        target.execute(sql.SQL("CREATE TABLE {}.seen AS SELECT {} AS since").format(schema, _seen(source)))
        like = sql.SQL("CREATE TABLE {} (LIKE {})")
        in_one_go(target, (like.format(staged(warehouse_id, part), sql.Identifier(part.table)) for part in PARTS), {})
        for part in PARTS:
            copied += _copy(source, target, part, staged(warehouse_id, part), {"warehouse": warehouse_id}, part.where)
    return copied


def catch_up(source: Session, target: Session, warehouse_id: int) -> int:
    """Copy the rows that were written since, within the transactions that both connections are in.

    Returns:
        How many they are.
    """
    schema, copied = sql.Identifier(staging_of(warehouse_id)), 0
    [since] = target.execute(sql.SQL("SELECT since FROM {}.seen").format(schema)).fetchone() or ("0",)
    seen, of = _seen(source), {"warehouse": warehouse_id, "since": since}
    written = {part: f"({part.where}) AND age({part.table}.xmin) <= age(%(since)s::xid8::xid)" for part in PARTS}
    any_of = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})")
    looks = (any_of.format(sql.Identifier(part.table), phrase(where)) for part, where in written.items())
    for part, (_, [is_written]) in zip(PARTS, in_one_go(source, looks, of), strict=True):
        if is_written:
            copied += _copy_written(source, target, part, warehouse_id, of, written[part])
    target.execute(sql.SQL("UPDATE {}.seen SET since = {}").format(schema, seen))
    return copied


def _copy_written(
    source: Session, target: Session, part: Part, warehouse_id: int, of: dict[str, object], where: str
) -> int:
    here = staged(warehouse_id, part)
    in_one_go(
        target,
        [
            sql.SQL("DROP TABLE IF EXISTS pg_temp.written"),
            sql.SQL("CREATE TEMP TABLE written (LIKE {}) ON COMMIT DROP").format(here),
        ],
        {},
    )
    rows = _copy(source, target, part, sql.Identifier("written"), of, where)
    alike = sql.SQL(" AND ").join(sql.SQL("old.{0} = written.{0}").format(sql.Identifier(key)) for key in key_of(part))
    columns = names(columns_of(part))
    in_one_go(
        target,
        [
            sql.SQL("DELETE FROM {} AS old USING written WHERE {}").format(here, alike),
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM written").format(here, columns, columns),
        ],
        {},
    )
    return rows


def copy_again(source: Session, target: Session, warehouse_id: int, part: Part) -> None:
    """Copy a part whole in place of what was copied of it: rows of it were deleted meanwhile."""
    here = staged(warehouse_id, part)
    target.execute(sql.SQL("TRUNCATE {}").format(here))
    _copy(source, target, part, here, {"warehouse": warehouse_id}, part.where)


def sums_staged(target: Session, warehouse_id: int) -> list[Sum]:
    """What is staged of each part, in numbers."""
    rows = (_summed(sql.SQL("SELECT * FROM {}").format(staged(warehouse_id, part))) for part in PARTS)
    return [Sum(count, int(digests)) for _, (count, digests) in in_one_go(target, rows, {})]


def take(source: Session, warehouse_id: int) -> list[Sum]:
    """Delete the rows of all parts that leave, and tell of each part in numbers which they were."""
    leave = sql.SQL("DELETE FROM {table} WHERE ({where}) AND NOT ({stays}) RETURNING {table}.*")
    stay = sql.SQL("SELECT * FROM {table} WHERE ({where}) AND ({stays})")
    statements = []
    for part in PARTS:
        stays = part.stays if part.leaves else "true"
        of = {"table": sql.Identifier(part.table), "where": phrase(part.where), "stays": phrase(stays)}
        statements.append(_summed(stay.format(**of), leave.format(**of) if part.leaves else None))
    found = in_one_go(source, statements, {"warehouse": warehouse_id})
    return [Sum(count, int(digests)) for _, (count, digests) in found]


def _summed(rows: sql.Composable, deleted: sql.Composable | None = None) -> sql.Composed:
    """Count rows and sum their digests; with them those that a statement deletes and returns."""
    counted = sql.SQL("counted AS ({})").format(rows)
    if deleted is not None:
        counted = sql.SQL("gone AS ({}), counted AS (SELECT * FROM gone UNION ALL {})").format(deleted, rows)
    return sql.SQL(
        "WITH {} SELECT count(*), coalesce(sum(('x' || left(md5(counted::text), 15))::bit(60)::bigint), 0) FROM counted"
    ).format(counted)


def _seen(source: Session) -> sql.Literal:
    [seen] = source.execute(_SEEN).fetchone() or ("0",)
    return sql.Literal(seen)


def _copy(source: Session, target: Session, part: Part, to: sql.Identifier, of: dict[str, object], where: str) -> int:
    columns = names(columns_of(part))
    table = sql.Identifier(part.table)
    rows = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(columns, table, phrase(where))
    taken = sql.SQL("COPY {} ({}) FROM STDIN").format(to, columns)
    with (
        source.cursor() as out,
        target.cursor() as into,
        out.copy(rows, of) as reading,
        into.copy(taken) as writing,
    ):
        for block in reading:
            writing.write(block)
    return into.rowcount
