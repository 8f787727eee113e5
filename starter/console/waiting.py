"""What waits for the person who looks: which of it concerns them, what they may do about it, and why not."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from urllib.parse import quote

from starter.cli.times import zone_called
from starter.console.told import about
from starter.console.visit import Visit
from stockkeeper.client.inbox import InboxItem
from stockkeeper.contracts.adjustment import is_same_person
from stockkeeper.contracts.homes import HomeShown
from stockkeeper.contracts.permission import Identity, Role

CONCERNS: Mapping[tuple[str, str], frozenset[Role]] = {
    ("po", "approve"): frozenset({Role.APPROVE}),
    ("po", "receive"): frozenset({Role.RECEIVE, Role.BUY}),
    ("adjust", "approve"): frozenset({Role.APPROVE}),
    ("count", "record"): frozenset({Role.COUNT, Role.APPROVE}),
    ("inspection", "release"): frozenset({Role.APPROVE}),
    ("transfer", "receive"): frozenset({Role.RECEIVE}),
    ("return", "inspect"): frozenset({Role.RECEIVE}),
    ("recall", "close"): frozenset({Role.APPROVE, Role.RECEIVE, Role.COUNT, Role.ADMINISTER}),
    ("audit", "decide"): frozenset({Role.ADMINISTER}),
}
"""Whom each kind of document waits for, by what is to be done. What a person has asked for concerns them, too."""
BY_ANOTHER = frozenset({("po", "approve"), ("adjust", "approve"), ("inspection", "release")})
"""What somebody else has to do than who asked for it."""
_APPROVAL = re.compile(r"approval (\d+) of (\d+)")


@dataclass(frozen=True)
class Waiting:
    """One thing that waits, for the person who looks at it.

    Attributes:
        item: What the client says of it.
        page: The address where it is done.
        does: What is to be done.
        about: Its numbers and its reason.
        hindered: Why this person may not do it; None: nothing hinders them.
        seen: The amount that is approved from the list, and when it was read: what was changed since is refused.
        zone: The timezone of its warehouse.
    """

    item: InboxItem
    page: str
    does: str
    about: Sequence[str]
    hindered: str | None
    seen: str
    zone: tzinfo

    @property
    def is_overdue(self) -> bool:
        """Whether its time is over."""
        return self.item.due_at is not None and self.item.due_at < datetime.now(UTC)


@dataclass(frozen=True)
class Here:
    """The warehouses by name: those of the person, and the timezones of all.

    Attributes:
        mine: The names of the person's warehouses; None: all.
        zones: Timezones by name.
    """

    mine: frozenset[str] | None
    zones: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, identity: Identity, warehouses: Iterable[HomeShown]) -> "Here":
        """What a person's warehouses are called."""
        known = list(warehouses)
        only = identity.warehouses
        mine = None if only is None else frozenset(each.warehouse for each in known if each.warehouse_id in only)
        return cls(mine, {each.warehouse: each.timezone for each in known})

    def is_mine(self, names: Collection[str]) -> bool:
        """Whether something takes place where the person works; what has no place is everybody's."""
        return self.mine is None or not names or not self.mine.isdisjoint(names)

    def zone(self, names: Sequence[str]) -> tzinfo:
        """The timezone of a document's last warehouse, which is where it arrives."""
        return zone_called(self.zones.get(names[-1]) if names else None)


def concerns(visit: Visit, item: InboxItem, here: Here) -> bool:
    """Whether something waits for this person, or was asked for by them."""
    if item.requested_by is not None and is_same_person(item.requested_by, visit.person):
        return True
    roles = CONCERNS.get((item.kind, item.task), frozenset(Role))
    return not visit.identity.roles.isdisjoint(roles) and here.is_mine(item.where)


def as_seen(visit: Visit, item: InboxItem, here: Here, at: datetime) -> Waiting:
    """One thing in the words of the person who looks, as it was at an instant."""
    return Waiting(
        item=item,
        page=page_of(visit, item),
        does=_does(visit, item),
        about=about(visit.texts, item),
        hindered=_hindered(visit, item, here),
        seen=f"{item.facts.get('total', item.facts.get('value', ''))} {at.isoformat()}",
        zone=here.zone(item.where),
    )


def page_of(visit: Visit, item: InboxItem) -> str:
    """Where it is done: decisions on a page of the inbox, and goods where they are scanned."""
    number = quote(item.number, safe="")
    roles = visit.identity.roles
    if item.task == "receive" and Role.RECEIVE in roles:
        return f"/receive/{item.kind}/{number}"
    if item.task == "inspect" and Role.RECEIVE in roles:
        return f"/inspect/return/{number}"
    return f"/inbox/{item.kind}/{number}"


def why_not_by(visit: Visit, *others: str | None) -> str | None:
    """Why it has to be somebody else: this person has asked for it; None: they haven't."""
    if any(other is not None and is_same_person(other, visit.person) for other in others):
        return visit.texts.say("You asked for it yourself: somebody else has to decide.")
    return None


def why_above_limit(visit: Visit, worth: Decimal | None) -> str | None:
    """Why a person's limit forbids it; None: it doesn't."""
    limit = visit.identity.limit
    if limit is None or (worth is not None and worth <= limit):
        return None
    if worth is None:
        return visit.texts.say("Its worth is unknown, and you approve up to {limit}.", limit=visit.texts.money(limit))
    return visit.texts.say(
        "It is worth {worth}, and you approve up to {limit}.",
        worth=visit.texts.money(worth),
        limit=visit.texts.money(limit),
    )


def _hindered(visit: Visit, item: InboxItem, here: Here) -> str | None:
    roles = CONCERNS.get((item.kind, item.task), frozenset(Role))
    if visit.identity.roles.isdisjoint(roles):
        named = ", ".join(visit.texts.say(role) for role in Role if role in roles)
        return visit.texts.say("This needs the role: {roles}.", roles=named)
    if not here.is_mine(item.where):
        return visit.texts.say("It is in a warehouse that isn't yours.")
    if (item.kind, item.task) in BY_ANOTHER and (why := why_not_by(visit, item.requested_by)):
        return why
    if item.kind == "count" and item.requested_by and is_same_person(item.requested_by, visit.person):
        return visit.texts.say("You counted it yourself: somebody else has to count again, or to decide.")
    if item.task == "approve":
        facts = item.facts
        worth = facts.get("total", None if facts.get("unvalued_units") else facts.get("value"))
        return why_above_limit(visit, worth if isinstance(worth, Decimal) else None)
    return None


def _does(visit: Visit, item: InboxItem) -> str:
    """What is to be done, in the person's language."""
    if found := _APPROVAL.fullmatch(item.waits_for):
        return visit.texts.say("approval {given} of {needed}", given=found[1], needed=found[2])
    return visit.texts.say(item.waits_for)
