"""Who may do what: the roles of a verified identity, the warehouses it is for, and the amount it approves up to.

What the commands of a process need stands with them, in its `PROCESS`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.people import is_same_person
from stockkeeper.domain.worth import in_figures

START = "start"
"""The start of a process, beside its commands."""


class Role(StrEnum):
    """What a person or service may do. None of them includes another, except that each of them looks."""

    LOOK = "look"
    """Asks questions."""
    SELL = "sell"
    """Holds stock for orders, and lets it leave."""
    COUNT = "count"
    """Counts, and asks for adjustments."""
    RECEIVE = "receive"
    """Receives, dispatches, inspects and sends back goods."""
    BUY = "buy"
    """Drafts purchase orders and transfers, plans."""
    APPROVE = "approve"
    """Approves and rejects, up to an amount."""
    ADMINISTER = "administer"
    """Imports files, renames products, audits and decides about findings."""


@dataclass(frozen=True)
class Identity:
    """A person or service, as a verified token has it.

    Attributes:
        person: The name that is recorded.
        roles: What it may do.
        warehouses: The ids of the warehouses where it may; None: in all of them.
        limit: The amount of money up to which it approves; None: any amount.
    """

    person: str
    roles: frozenset[Role]
    warehouses: frozenset[int] | None = None
    limit: Decimal | None = None


@dataclass(frozen=True)
class Needs:
    """What a start or a command needs.

    Attributes:
        any_of: One of these roles is enough.
        at: The field of start and state with the warehouse where it takes place; ``lines``: that of each line; empty:
            in no warehouse.
    """

    any_of: tuple[Role, ...]
    at: str = "warehouse_id"


SELL = Needs((Role.SELL,), at="lines")
COUNT = Needs((Role.COUNT,))
RECEIVE = Needs((Role.RECEIVE,))
BUY = Needs((Role.BUY,))
APPROVE = Needs((Role.APPROVE,))
ADMINISTER = Needs((Role.ADMINISTER,), at="")

ONLY_IN = "only_in"
"""The field of a small change that takes the warehouses of its caller: it names its own warehouse by name, and the step
that knows which one that is compares them."""

QUESTIONS: Mapping[str, Needs] = {
    "set_buffer": Needs((Role.BUY,), at=ONLY_IN),
    "set_planning": Needs((Role.BUY,), at=ONLY_IN),
    "rename_product": ADMINISTER,
    "forget_barcode": ADMINISTER,
    "preview_import": ADMINISTER,
    "decide_finding": ADMINISTER,
    "show_webhook_secret": ADMINISTER,
}
"""What small changes that travel as questions need, and what only some may see. Any other is for every person with a
role."""


def require_named(identity: Identity, named: str) -> None:
    """Refuse a message that names another person than its token.

    Raises:
        NotPermitted: It does.
    """
    if not is_same_person(identity.person, named):
        raise NotPermitted(f"it names {named!r}, and its identity is {identity.person!r}'s: name yourself")


def require_role(identity: Identity, needs: Needs, what: str, places: Iterable[int | None] = ()) -> None:
    """Refuse what an identity has no role for, or not in these warehouses.

    Args:
        identity: The verified identity.
        needs: What is needed.
        what: The command or question, for the message.
        places: Ids of the warehouses where it takes place; None: any warehouse.

    Raises:
        NotPermitted: It has none of the roles, or may not do it there.
    """
    if identity.roles.isdisjoint(needs.any_of):
        raise NotPermitted(f"{what} needs the role {' or '.join(needs.any_of)}, which {identity.person!r} doesn't have")
    if identity.warehouses is None or not needs.at:
        return
    for place in places:
        if place is None:
            raise NotPermitted(f"{what} names no warehouse, and {identity.person!r} may do it in some only: name one")
        if place not in identity.warehouses:
            raise NotPermitted(f"{identity.person!r} may not do that in warehouse {place}: {what}")


def require_place(only_in: Collection[int] | None, place: int, person: str) -> None:
    """Refuse a change in a warehouse that isn't among those of its caller.

    Args:
        only_in: Ids of the caller's warehouses; None: all.
        place: The id of the warehouse.
        person: The caller, for the message.

    Raises:
        NotPermitted: It isn't.
    """
    if only_in is not None and place not in only_in:
        raise NotPermitted(f"{person!r} may not do that in warehouse {place}")


def require_limit(identity: Identity, amount: Decimal | None, what: str) -> None:
    """Refuse an approval above an identity's limit.

    Args:
        identity: The verified identity.
        amount: The worth of what is approved; None: it isn't known.
        what: The command, for the message.

    Raises:
        NotPermitted: It is above the limit, or its worth is unknown and there is a limit.
    """
    if identity.limit is None:
        return
    limit = in_figures(identity.limit)
    if amount is None:
        raise NotPermitted(f"{what}: its worth is unknown, and {identity.person!r} approves up to {limit}")
    if amount > identity.limit:
        raise NotPermitted(f"{what} of {in_figures(amount)} is above {limit}, up to which {identity.person!r} approves")


def require_looking(identity: Identity, what: str) -> None:
    """Refuse a look to an identity without any role.

    Raises:
        NotPermitted: It has none.
    """
    if not identity.roles:
        raise NotPermitted(f"{what} needs a role, and {identity.person!r} has none")
