"""Runs for lots that expire as a foreign service starts them: a Temporal client, the contract, and plain JSON."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.wire import RunCaller


class LotExpiries(RunCaller):
    """Starts runs."""

    workflow_type = "LotExpiryWorkflow"
    name = "expiry"


def expire(engine: Engine, item: ItemKey, lot_number: str) -> None:
    """Let a lot have expired some days ago, whoever holds units of it."""
    over = text("UPDATE lots SET expires_on = :day WHERE (product_id, lot_number) = (:product_id, :lot_number)")
    day = datetime.now(UTC).date() - timedelta(days=3)
    with engine.begin() as connection:
        connection.execute(over, {"day": day, "product_id": item.product_id, "lot_number": lot_number})
