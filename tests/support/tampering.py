"""Books that were tampered with past all rules, and what the two auditors report of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from tests.support.audit_tampering import Tampered
from tests.support.auditor import findings
from tests.support.steps.stock_audit import Auditing


@contextmanager
def tampering(engine: Engine) -> Iterator[Connection]:
    """Without the triggers, and taken back at the end."""
    with engine.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        yield connection
        connection.rollback()


def told_of(connection: Connection, found: list[str], kinds: set[str]) -> None:
    """The tests' auditor finds these things and nothing else, and the product's audit findings of these kinds."""
    told = findings(connection)
    assert all(any(each in finding for finding in told) for each in found), told
    assert all(any(each in finding for each in found) for finding in told), told
    assert kinds_found(connection) == kinds


def kinds_found(connection: Connection) -> set[str]:
    """The kinds of finding that the product's audit reports of everything, as this transaction sees it."""
    auditing = Auditing(Tampered(connection.engine, connection), None)
    return {str(finding.kind) for finding in auditing.found()}
