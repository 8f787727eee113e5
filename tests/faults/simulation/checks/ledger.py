"""The ledger's past can't be changed, not even by the database's owner."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tests.faults.simulation.model.model import Model

# The triggers refuse these statements whether or not they would change anything.
_CHANGES = {
    "deleted": text("DELETE FROM stock_movements WHERE false"),
    "changed": text("UPDATE stock_movements SET reason = reason WHERE false"),
}


def compare(connection: Connection, models: Sequence[Model]) -> Iterator[str]:
    """Try to change movements, none in particular."""
    del models
    for name, change in _CHANGES.items():
        attempt = connection.begin_nested()
        try:
            connection.execute(change)
        except DBAPIError:
            pass
        else:
            yield f"the database lets movements be {name}"
        finally:
            attempt.rollback()
