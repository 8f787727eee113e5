"""Comparisons of the world with the model at quiet points: a file for each kind of row, one for the runs."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection

from tests.faults.simulation.checks import (
    adjustment,
    customer_return,
    cycle_count,
    import_file,
    ledger,
    lot,
    purchase_order,
    reservation,
    stock,
    transfer,
)
from tests.faults.simulation.model.model import Model

Check = Callable[[Connection, Sequence[Model]], Iterator[str]]
"""Compares rows with all models, and says in a sentence each thing that is otherwise."""

CHECKS: Sequence[Check] = (
    stock.compare,
    reservation.compare,
    adjustment.compare,
    purchase_order.compare,
    transfer.compare,
    customer_return.compare,
    cycle_count.compare,
    import_file.compare,
    ledger.compare,
    lot.compare,
)
"""All comparisons with the database; each by SQL of its own."""
