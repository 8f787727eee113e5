"""The posting of an adjustment: what it needs, and what it does; the steps are in `activities.adjustment`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from activities.writes import effects_of
from database.adjustment import ADJUSTMENT
from database.corrections import correct, lock_changed
from database.document import close_document, update_document
from database.operations import Operation
from stockkeeper.contracts.messages import StockAnswer
from stockkeeper.domain.adjustment import Adjustment, AdjustmentStatus
from stockkeeper.domain.promise import Promise


def keep_would_end(connection: Connection, adjustment: Adjustment, ending: Sequence[Promise]) -> None:
    """Keep the holds that it would end with the adjustment, which needs an approval then."""
    shown = [each._asdict() for each in ending]
    needs = {"needs_approval": True} if ending else {}
    update_document(connection, ADJUSTMENT, adjustment.adjustment_id, would_end=shown, **needs)


def post(
    connection: Connection,
    operation: Operation,
    adjustment: Adjustment,
    status: AdjustmentStatus,
    as_of: datetime,
    *,
    reason: str,
    **approval: Any,
) -> StockAnswer:
    """Change on hand, and end the adjustment. Its row is locked; the items are locked here."""
    changes = adjustment.changes
    correction = correct(
        connection,
        replace(operation, occurred_at=adjustment.occurred_at),
        changes,
        lock_changed(connection, changes, arriving=True),
        reference_id=adjustment.adjustment_number,
        reason=reason,
        as_of=as_of,
    )
    close_document(connection, operation, ADJUSTMENT, adjustment.adjustment_id, status, as_of, **approval)
    return effects_of(correction)
