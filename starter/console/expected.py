"""Documents that are expected at a dock: those of the person's warehouses, by the day on which they are due."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from starter.cli.times import zone_called
from starter.console.addresses import segment
from starter.console.visit import Visit
from stockkeeper.client.runs import Listed
from stockkeeper.contracts.messages import MAX_LINES

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
        zone: The timezone of the first of its warehouses that counts.
        since: When it was made.
    """

    kind: str
    number: str
    path: str
    about: str
    where: str
    due_at: datetime | None
    since: datetime
    zone: tzinfo = UTC


async def expected_at(visit: Visit, *lists: tuple[str, str, int | None, Awaitable[Sequence[Listed]]]) -> list[Expected]:
    """Documents of several lists, the first due first.

    Args:
        visit: Whose warehouses count.
        lists: Of each the kind, the path with ``{number}``, which of the warehouses of a document counts (None: any of
            them), and the list.
    """
    mine = await warehouse_names(visit)
    found = await asyncio.gather(*(documents for _, _, _, documents in lists))
    names = {name for documents in found for each in documents for name in each.warehouses}
    zones = await zones_called(visit, names)
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
                    path=path.format(number=segment(each.number)),
                    about=", ".join(each.skus[:4]) + more,
                    where=" → ".join(each.warehouses),
                    due_at=each.deadline,
                    since=each.created_at,
                    zone=zones.get(places[0], UTC) if places else UTC,
                )
            )
    expected.sort(key=lambda each: (each.due_at is None, each.due_at or each.since, each.number))
    return expected


async def warehouse_names(visit: Visit) -> set[str] | None:
    """The names of the person's warehouses; None: all are."""
    if visit.identity.warehouses is None:
        return None
    return set((await visit.stock.names(warehouse_ids=visit.identity.warehouses)).warehouse_names.values())


async def zones_called(visit: Visit, warehouses: Iterable[str]) -> dict[str, tzinfo]:
    """The timezones of warehouses, by name."""
    names = sorted(set(warehouses))[:MAX_LINES]
    if not names:
        return {}
    known = await visit.stock.ids(warehouses=names)
    return {name: zone_called(known.timezones.get(known.warehouses[name])) for name in names}
