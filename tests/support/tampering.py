"""Books that somebody has tampered with, as nobody in production may."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from devstack.invariants import invariants
from tests.support.auditor import findings


@contextmanager
def tampering(engine: Engine) -> Iterator[Connection]:
    """Without the triggers, and taken back at the end."""
    with engine.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        yield connection
        connection.rollback()


def told_of(connection: Connection, found: list[str], rules: set[str]) -> None:
    """The auditor finds these things and nothing else, and exactly these rules are broken."""
    told = findings(connection)
    assert all(any(each in finding for finding in told) for each in found), told
    assert all(any(each in finding for each in found) for finding in told), told
    assert {each.rule for each in invariants(connection) if each.violations} == rules
