"""Stock as it has to be: on hand and reserved of each item, and every movement in its order."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """A product in a warehouse."""

    warehouse_id: int
    product_id: int


class Movement(NamedTuple):
    """One change of on hand.

    Attributes:
        kind: The movement's type, such as ``SALE``.
        quantity: Positive in, negative out.
        reference: The document's number.
        operation: The operation id, or how it begins, where the rest is Temporal's choice.
    """

    kind: str
    quantity: int
    reference: str
    operation: str


@dataclass
class Level:
    """One item."""

    on_hand: int
    reserved: int = 0
    movements: list[Movement] = field(default_factory=list)
    unusable: int = 0
    """Free units of lots that may not leave."""
    aside: int = 0
    """Units that are set aside."""

    @property
    def available(self) -> int:
        """What a new hold may have."""
        return self.on_hand - self.reserved - self.unusable - self.aside


class Books:
    """All items of some clients.

    Args:
        in_order: Whether the changes come in the order in which they are carried out: then no more is ever promised
            than there is. Otherwise that is so once nothing is under way.
    """

    def __init__(self, *, in_order: bool = True) -> None:
        self._in_order = in_order
        self.items: dict[Key, Level] = {}
        self.homes: dict[int, str] = {}
        """Which of several databases keeps a warehouse."""
        self.ranks: dict[int, tuple[int, int]] = {}
        """Priority and id of each warehouse: the first ones are chosen first where a line leaves it open."""

    def open(self, key: Key, units: int) -> None:
        """Begin with an item that has so many units; how they came isn't looked at."""
        self.items[key] = Level(on_hand=units)
        self.ranks.setdefault(key.warehouse_id, (100, key.warehouse_id))

    def hold(self, key: Key, units: int) -> None:
        """Promise units, or (negative) give them back."""
        level = self.items[key]
        level.reserved += units
        self._require_sound(key, level)

    def move(self, key: Key, movement: Movement, *, held: int = 0) -> None:
        """Change on hand by a movement; ``held`` of its units were promised until now."""
        level = self.items[key]
        level.on_hand += movement.quantity
        level.reserved -= held
        level.movements.append(movement)
        self._require_sound(key, level)

    def _require_sound(self, key: Key, level: Level) -> None:
        if self._in_order and not 0 <= level.reserved <= level.on_hand:
            raise AssertionError(
                f"the model itself is wrong: {key} has {level.on_hand} on hand, {level.reserved} reserved"
            )
