"""What others are told: the events that have been written meanwhile, in the tests' own SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Text, bindparam, text

from stockkeeper.contracts.event import DATA
from stockkeeper.domain.event import EventKind
from tests.support.events import last_number, number_all

_LAST = text("SELECT coalesce(max(outbox_id), 0) FROM outbox")
_SINCE = text("""
    SELECT kind, subject, data, operation_id, performed_by, reason FROM outbox
    WHERE outbox_id > :last ORDER BY outbox_id
""")
_NUMBERED_SINCE = text("""
    SELECT kind, subject, data, operation_id, performed_by, reason FROM events WHERE number > :last ORDER BY number
""")
_LATEST = text("""
    SELECT latest.kind, subject, data FROM (
        (SELECT kind, subject, data, happened_at, operation_id FROM outbox ORDER BY outbox_id DESC LIMIT :most)
        UNION ALL
        (SELECT kind, subject, data, happened_at, operation_id FROM events ORDER BY number DESC LIMIT :most)
    ) AS latest JOIN operations USING (operation_id)
    WHERE happened_at >= cast(:since AS timestamptz)
""").bindparams(bindparam("since", type_=Text))
_LOOKED_AT = 2_000
"""Events of a file of tests that are compared with their models: the latest ones."""


class Told(NamedTuple):
    """An event."""

    kind: str
    subject: str
    data: dict[str, Any]
    operation_id: str
    performed_by: str
    reason: str | None

    @property
    def level(self) -> tuple[int, int, int]:
        """Of an item: on hand, reserved and available."""
        return self.data["quantity_on_hand"], self.data["quantity_reserved"], self.data["quantity_available"]

    @property
    def lines(self) -> list[tuple[Any, ...]]:
        """Of a hold: of each line the product, the units, how many left or were given up, and the status."""
        names = ("product_id", "quantity", "fulfilled", "released", "status")
        return [tuple(line[name] for name in names) for line in self.data["lines"]]


@contextmanager
def telling(where: Engine | Connection) -> Iterator[list[Told]]:
    """The events that are written inside, once it has ended.

    A worker may be giving numbers meanwhile, but for those of a transaction that is going on.
    """
    told: list[Told] = []
    if isinstance(where, Connection):
        last = where.execute(_LAST).scalar_one()
        yield told
        told += (Told(*row) for row in where.execute(_SINCE, {"last": last}))
        return
    last = last_number(where)
    yield told
    number_all(where)
    with where.connect() as connection:
        told += (Told(*row) for row in connection.execute(_NUMBERED_SINCE, {"last": last}))


def misfits(engine: Engine, since: str) -> list[str]:
    """What is wrong with the latest events of steps since an instant: data that the contract doesn't say of the kind.

    What a test has written by itself belongs to no operation.
    """
    wrong = []
    with engine.connect() as connection:
        for kind, subject, data in connection.execute(_LATEST, {"most": _LOOKED_AT, "since": since}):
            model = DATA[EventKind(kind)]
            try:
                model.model_validate(data)
            except ValidationError as error:
                wrong.append(f"{kind} of {subject}: {error}")
            if unknown := data.keys() - model.model_fields.keys():
                wrong.append(f"{kind} of {subject}: {sorted(unknown)} aren't in the contract")
    return wrong
