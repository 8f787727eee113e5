"""The rules that hold always, asked of the database itself."""

from dataclasses import dataclass

from sqlalchemy import Engine, text

_QUESTIONS = {
    "nothing is oversold": "SELECT count(*) FROM inventory_items WHERE quantity_reserved > quantity_on_hand",
    "on hand is the sum of its movements": """
        SELECT count(*) FROM inventory_items AS item
        WHERE quantity_on_hand <> (
            SELECT coalesce(sum(quantity), 0) FROM stock_movements AS movement
            WHERE (movement.warehouse_id, movement.product_id) = (item.warehouse_id, item.product_id))
    """,
    "the last movement's balance is what is on hand": """
        SELECT count(*) FROM inventory_items AS item
        WHERE quantity_on_hand <> coalesce((
            SELECT balance_after FROM stock_movements AS movement
            WHERE (movement.warehouse_id, movement.product_id) = (item.warehouse_id, item.product_id)
            ORDER BY created_at DESC, movement_id DESC LIMIT 1), 0)
    """,
    "reserved is the sum of open reservations": """
        SELECT count(*) FROM inventory_items AS item
        WHERE quantity_reserved <> (
            SELECT coalesce(sum(quantity - quantity_fulfilled), 0) FROM reservations AS held
            WHERE status = 'ACTIVE'
                AND (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id))
    """,
    "an item's movements never go back in time": """
        SELECT count(*) FROM (
            SELECT created_at <= lag(created_at) OVER (
                PARTITION BY warehouse_id, product_id ORDER BY movement_id) AS back
            FROM stock_movements) AS movement
        WHERE back
    """,
    "every operation has its result": "SELECT count(*) FROM operations WHERE result IS NULL",
}


@dataclass(frozen=True)
class Invariant:
    """One rule, and how many rows break it."""

    rule: str
    violations: int


def check_invariants(engine: Engine) -> list[Invariant]:
    """Ask for every rule how many rows break it, all at one instant."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        return [
            Invariant(rule, connection.execute(text(question)).scalar_one()) for rule, question in _QUESTIONS.items()
        ]
