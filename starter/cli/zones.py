"""The timezone of the warehouse that a command is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from starter.cli.times import instant, zone_called
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.effective_time import why_not_past
from stockkeeper.contracts.errors import InvalidRequest


async def zone_of(stock: Stockkeeper, warehouse: str | None) -> tzinfo:
    """The timezone of a warehouse that a person has named; UTC without one.

    Raises:
        UnknownWarehouse: Nothing has that name.
        Unreachable: No worker answers.
    """
    if warehouse is None:
        return UTC
    found = await stock.ids(warehouses=[warehouse])
    return zone_called(found.timezones.get(found.warehouses[warehouse]))


async def moved_at(text: str | None, stock: Stockkeeper, warehouse_ids: Iterable[int | None]) -> datetime | None:
    """The instant of ``--occurred-at``: without an offset in the timezone of these warehouses, if they share one.

    Raises:
        InvalidRequest: It isn't an instant, or none at which goods can have moved.
        Unreachable: No worker answers.
    """
    if text is None:
        return None
    zones = set((await zones_of(stock, (each for each in warehouse_ids if each))).values())
    return occurred(text, zones.pop() if len(zones) == 1 else UTC)


def occurred(text: str, zone: tzinfo) -> datetime:
    """The instant of ``--occurred-at``, in UTC; without an offset in this zone.

    Raises:
        InvalidRequest: It isn't an instant, or none at which goods can have moved; it is named as it was typed.
    """
    moment = instant(text, "--occurred-at", zone=zone)
    if (why := why_not_past(moment, datetime.now(UTC))) is not None:
        raise InvalidRequest(f"--occurred-at {text!r}: {why}")
    return moment


async def zones_of(stock: Stockkeeper, warehouse_ids: Iterable[int]) -> dict[int, tzinfo]:
    """The timezones of these warehouses, by id.

    Raises:
        Unreachable: No worker answers.
    """
    wanted = set(warehouse_ids)
    if not wanted:
        return {}
    found = await stock.names(warehouse_ids=wanted)
    return {each: zone_called(found.timezones.get(each)) for each in wanted}
