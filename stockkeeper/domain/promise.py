"""Promises that a correction would break: nobody ends another's hold alone, and nobody ends one unseen.

A correction that takes off more than is free ends holds (`stockkeeper.domain.reservation.giving_way`). Whatever it is
worth, another person has to approve it, who sees which orders and transfers lose their units (ADR 0035).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidState, NotPermitted
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey

_NAMED = 5


class Promise(NamedTuple):
    """The hold of one order or transfer on one item, in units."""

    reference_type: str
    reference_id: str
    warehouse_id: int
    product_id: int
    quantity: int

    @property
    def place(self) -> tuple[str, str, int, int]:
        """The promise without its units, which shipments make fewer."""
        return self[:4]

    def __str__(self) -> str:
        return f"{self.reference_type.lower()} {self.reference_id} ({self.quantity} of product {self.product_id})"


def promises_of(holds: Mapping[ItemKey, Sequence[ItemHold]]) -> list[Promise]:
    """The promises behind these holds."""
    return [
        Promise(hold.reference_type, hold.reference_id, *item, hold.quantity_open)
        for item, held in holds.items()
        for hold in held
    ]


def require_seen(document: str, ending: Iterable[Promise], seen: Iterable[Promise]) -> None:
    """Refuse an approval by which a hold would end that the approver couldn't see.

    Args:
        document: The correction in messages: ``adjustment A-7``.
        ending: The holds that it would end now.
        seen: The holds that it would end by what was shown.

    Raises:
        NotPermitted: With the further holds in its details.
    """
    known = {each.place for each in seen}
    if unseen := [each for each in ending if each.place not in known]:
        more = f" and {len(unseen) - _NAMED} more" if len(unseen) > _NAMED else ""
        raise NotPermitted(
            f"{document} would now also end the hold of {', '.join(map(str, unseen[:_NAMED]))}{more}; "
            "look at it again, and approve it then",
            {
                "ends": [
                    {
                        "reference_type": each.reference_type,
                        "reference_id": each.reference_id,
                        "product_id": each.product_id,
                        "quantity": each.quantity,
                    }
                    for each in unseen
                ]
            },
        )


def require_held_before(reference: str, *, gave_way: bool, in_time: bool) -> None:
    """Hold again only what gave way, and only until the deadline that it had.

    Raises:
        InvalidState: It ended in another way, or its deadline has come.
    """
    if not gave_way:
        raise InvalidState(
            f"the hold of order {reference} hasn't given way, so it can't be held again", "", "hold_again"
        )
    if not in_time:
        message = f"the deadline of order {reference} has come since its hold gave way; hold it under another reference"
        raise InvalidState(message, "EXPIRED", "hold_again")
