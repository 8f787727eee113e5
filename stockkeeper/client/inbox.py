"""One inbox: all that waits for a person. Each part of the client says what waits in it (`Part.waiting`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stockkeeper.client.runs import Listed


@dataclass(frozen=True)
class InboxItem:
    """One thing that waits for a person.

    Attributes:
        kind: The kind of document, as its commands are called: ``po``, ``transfer``, ``count``.
        number: The document's number; of an audit's finding its id.
        waits_for: What a person has to do.
        about: Its contents in a few words.
        where: Its warehouses, by name.
        requested_by: Who asked for it; None: nobody in particular.
        since: When it began to wait.
        due_at: When it is cancelled, or was due; None: never.
        task: The command that ends the waiting, such as ``approve``, ``receive`` or ``record``.
        facts: Further fields of the document, as lists have them: ``total``, ``reason``. None of a count, which is
            blind.
    """

    kind: str
    number: str
    waits_for: str
    about: str
    where: tuple[str, ...]
    requested_by: str | None
    since: datetime
    due_at: datetime | None
    task: str = field(default="", compare=False)
    facts: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


def listed_item(kind: str, listed: Listed, waits_for: str, *, task: str, since: datetime | None = None) -> InboxItem:
    """A document of a list that waits for something; since its making, unless an instant is given."""
    requested_by = listed.memo.get("requested_by")
    return InboxItem(
        kind=kind,
        number=listed.number,
        waits_for=waits_for,
        about=", ".join(listed.skus),
        where=listed.warehouses,
        requested_by=None if requested_by is None else str(requested_by),
        since=since or listed.created_at,
        due_at=listed.deadline,
        task=task,
        facts=listed.memo,
    )


def overdue(kind: str, listed: Sequence[Listed], waits_for: str, now: datetime) -> list[InboxItem]:
    """The documents of a list whose deadline has passed, from that deadline on."""
    return [
        listed_item(kind, each, f"{waits_for}: overdue", task="receive", since=each.deadline)
        for each in listed
        if each.deadline is not None and each.deadline <= now
    ]
