"""Texts about a reservation in the Temporal UI."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from stockkeeper.contracts.lot import lots_in_words
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.reservation import HeldLineState, ReservationState
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.reservation import ReservationStatus
from workflows.details import details, named_by, table


def details_of(state: ReservationState, held: Sequence[HeldLineState] = (), why: str = "") -> str:
    """The run in a few lines of Markdown: what it holds, until when, and the next step.

    Args:
        state: The state.
        held: The lines as stored; none are of an order that was rejected.
        why: Who cancelled it and why, as far as this run knows.
    """
    of = f"{state.reference_type.lower()} {plain(state.reference_id)}"
    until = f" until {utc(state.expires_at)}" if state.expires_at else ""
    if state.status is ReservationStatus.WAITING and state.waiting_until is not None:
        return _waiting(state, of, state.waiting_until, held)
    text = {
        ReservationStatus.ACTIVE: f"Stock is held for {of}{until}. Next: `fulfill`, `release`, `cancel` or `extend`; "
        "otherwise it is released at the deadline.",
        ReservationStatus.FULFILLED: f"{_all_of(held)} has left for {of}.",
        ReservationStatus.CANCELLED: f"Cancelled: nothing is held for {of} any more.{f' {plain(why)}.' if why else ''}",
        ReservationStatus.EXPIRED: f"The deadline came{_at(state.expires_at)}: nothing is held for {of} any more.",
        ReservationStatus.REJECTED: f"{'Out of stock' if state.shortages else 'Too late'}: nothing was held for {of}.",
    }
    rows: list[tuple[object, ...]] = [
        (line.sku, line.warehouse, line.quantity, line.quantity_fulfilled) for line in held
    ] or [
        # Nothing is held, so SKUs and names are unknown.
        (f"product {line.product_id}", _place_of(line.warehouse_id), line.quantity, 0)
        for line in state.lines
    ]
    columns = ["product", "warehouse", "#ordered", "#shipped"]
    if state.shortages:
        names = {(line.product_id, line.warehouse_id): (line.sku, line.warehouse) for line in held}
        rows = [(*_named(each, names), each.requested, each.available) for each in state.shortages]
        columns = ["product", "warehouse", "#ordered", "#available"]
    if any(line.quantity_released for line in held):
        columns.append("#given up")
        rows = [(*row, line.quantity_released) for row, line in zip(rows, held, strict=True)]
    if any(line.lots for line in held) and len(rows) == len(held):
        columns.append("lots")
        rows = [(*row, lots_in_words(line.lots)) for row, line in zip(rows, held, strict=True)]
    lines = table(columns, rows)
    if not held:
        lines += ["", named_by("reserve show", state.reference_id)]
    return details(state.status, text.get(state.status, ""), lines, state.notes)


def _named(short: ShortageState, names: Mapping[tuple[int, int | None], tuple[str, str]]) -> tuple[str, str]:
    """Product and warehouse of a shortage, by their names as far as the run knows them."""
    key = short.product_id, short.warehouse_id
    return names.get(key, (f"product {short.product_id}", _place_of(short.warehouse_id)))


def _at(moment: datetime | None) -> str:
    return f" at {utc(moment)}" if moment else ""


def _all_of(held: Sequence[HeldLineState]) -> str:
    """What leaves of an order: everything, unless a part of it was given up."""
    return "What wasn't given up" if any(line.quantity_released for line in held) else "Everything"


def _waiting(state: ReservationState, of: str, until: datetime, lines: Sequence[HeldLineState]) -> str:
    text = (
        f"Stock is missing for {of}, and it waits for it until {utc(until)}. {_expected(state)}"
        "Next: it is held whole when its turn "
        "comes, or `cancel`; otherwise it is rejected then."
    )
    names = {(line.product_id, line.warehouse_id): (line.sku, line.warehouse or "any") for line in lines}
    ordered: dict[tuple[int, int | None], int] = {}
    for line in lines:
        key = line.product_id, line.warehouse_id
        ordered[key] = ordered.get(key, 0) + line.quantity
    rows = [
        (
            *names[place.product_id, place.warehouse_id],
            ordered[place.product_id, place.warehouse_id],
            place.missing,
            place.position,
        )
        for place in state.queue
    ]
    columns = ["product", "warehouse", "#ordered", "#missing", "#place in the queue"]
    return details(state.status, text, table(columns, rows), state.notes)


def _expected(state: ReservationState) -> str:
    """The day by which its turn is expected, in a sentence before the next one."""
    if state.available_on is None:
        return ""
    brought_by = f", with {', '.join(state.counts_on)}" if state.counts_on else ""
    late = ", after the end of its wait" if state.is_expected_late else ""
    return f"Its turn is expected by {state.available_on}{brought_by}{late}. "


def _place_of(warehouse_id: int | None) -> str:
    return "any warehouse" if warehouse_id is None else f"warehouse {warehouse_id}"
