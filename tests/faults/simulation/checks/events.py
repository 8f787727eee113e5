"""Events folded from the first one on are the tables, and every one of them has its number."""

from sqlalchemy import Engine, text

from tests.support.folding import Fold, differences

_WAITING = text("SELECT count(*) FROM outbox")


def compare(engine: Engine, fold: Fold) -> list[str]:
    """Read on where the fold is, and compare it with all tables of this database, in one snapshot.

    Args:
        engine: The database.
        fold: What all events make that were read at the quiet points before.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        if waiting := connection.execute(_WAITING).scalar_one():
            return [f"{waiting} events have no number"]
        fold.follow(connection)
        return [*fold.problems, *differences(connection, fold)]
