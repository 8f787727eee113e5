"""The tests' own auditor finds what is off: a check that can't fail would be worth nothing."""

import pytest
from sqlalchemy import Engine, text

from tests.auditor import findings
from tests.shop import Shop

_OF_ITEM = "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
_LAST = f"WHERE movement_id = (SELECT max(movement_id) FROM stock_movements {_OF_ITEM})"

TAMPERED = {
    "on hand": (f"UPDATE inventory_items SET quantity_on_hand = 13 {_OF_ITEM}", ["add up to 12", "last balance 12"]),
    "reserved": (f"UPDATE inventory_items SET quantity_reserved = 1 {_OF_ITEM}", ["open reservations 0"]),
    "a movement's units": (f"UPDATE stock_movements SET quantity = 3 {_LAST}", ["add up to 13", "10 and 3 make 12"]),
    "a balance": (f"UPDATE stock_movements SET balance_after = 11 {_LAST}", ["last balance 11", "10 and 2 make 11"]),
    "an instant": (
        f"UPDATE stock_movements SET created_at = created_at - interval '1 day' {_LAST}",
        ["last balance 10", "not later than the one before"],
    ),
    "a lost movement": (f"DELETE FROM stock_movements {_LAST}", ["add up to 10", "last balance 10"]),
}


@pytest.mark.parametrize(("change", "found"), TAMPERED.values(), ids=TAMPERED)
def test_the_auditor_finds(engine: Engine, shop: Shop, change: str, found: list[str]) -> None:
    item = shop.item(10)
    shop.move(item, 2)
    with engine.connect() as connection:
        # As nobody in production may: without the triggers.
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(change), item._asdict())
        told = findings(connection)
        connection.rollback()
    assert len(told) == len(found)
    assert all(any(each in finding for finding in told) for each in found), told


def test_the_auditor_has_nothing_to_say_of_books_that_agree(engine: Engine, shop: Shop) -> None:
    shop.move(shop.item(10), 2, -5)
    with engine.connect() as connection:
        assert findings(connection) == []
