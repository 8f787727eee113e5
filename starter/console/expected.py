"""Documents that are expected at a dock: those of the person's warehouses, by the day on which they are due."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime

from starter.console.visit import Visit
from stockkeeper.client.runs import Listed

SHOWN = 200
"""Documents of a kind and status that are listed at most."""


@dataclass(frozen=True)
class Expected:
    """One document.

    Attributes:
        kind: The word for it.
        number: Its number.
        path: Its page.
        about: Its products.
        where: Its warehouses.
        due_at: When it is due; None: that isn't known.
        since: When it was made.
    """

    kind: str
    number: str
    path: str
    about: str
    where: str
    due_at: datetime | None
    since: datetime


async def expected_at(visit: Visit, *lists: tuple[str, str, int | None, Awaitable[Sequence[Listed]]]) -> list[Expected]:
    """Documents of several lists, the first due first.

    Args:
        visit: Whose warehouses count.
        lists: Of each the kind, the path with ``{number}``, which of the warehouses of a document counts (None: any of
            them), and the list.
    """
    mine = await warehouse_names(visit)
    found = await asyncio.gather(*(documents for _, _, _, documents in lists))
    expected = []
    for (kind, path, which, _), documents in zip(lists, found, strict=True):
        for each in documents:
            places = each.warehouses if which is None else each.warehouses[which : which + 1]
            if mine is not None and mine.isdisjoint(places):
                continue
            more = ", …" if len(each.skus) > 4 else ""
            expected.append(
                Expected(
                    kind=kind,
                    number=each.number,
                    path=path.format(number=each.number),
                    about=", ".join(each.skus[:4]) + more,
                    where=" → ".join(each.warehouses),
                    due_at=each.deadline,
                    since=each.created_at,
                )
            )
    expected.sort(key=lambda each: (each.due_at is None, each.due_at or each.since, each.number))
    return expected


async def warehouse_names(visit: Visit) -> set[str] | None:
    """The names of the person's warehouses; None: all are."""
    if visit.identity.warehouses is None:
        return None
    return set((await visit.stock.names(warehouse_ids=visit.identity.warehouses)).warehouse_names.values())
