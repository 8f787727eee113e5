"""The start of a run that Temporal has lost, made of what the database has of its document.

A run that begins finds the document by its number and goes on with it, if it was asked for the same. What it was asked
is in the document's rows.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from activities.documents import SHOWN
from activities.transfer_goods import stored_transfer
from database.after_restore import adjusted_at, request_of_order
from stockkeeper.contracts.adjustment import AdjustmentState
from stockkeeper.contracts.customer_return import ReturnState
from stockkeeper.contracts.cycle_count import CycleCountState
from stockkeeper.contracts.messages import State
from stockkeeper.contracts.reservation import ReservationState, ReservationStatus, requested_lines

Request = dict[str, Any]

_SHORTEST = timedelta(seconds=1)
"""A deadline that has come meanwhile is met at once by the new run."""
_UNUSED = 30.0
"""The hold is there, with its own deadline; the start needs a number all the same."""


def request_of(connection: Connection, kind: str, number: str, *, as_of: datetime, person: str) -> Request:
    """The start that begins a run for a stored document.

    Args:
        connection: A snapshot, in an activity's context: a state says which run has stored the document.
        kind: The kind of document.
        number: Its number.
        as_of: The present.
        person: Who lets it be started again.
    """
    if kind == "purchase_order":
        return {"po_number": number, "resume": True, "performed_by": person}
    state = SHOWN[kind](connection, number, as_of)
    if state is None:
        raise LookupError(f"{kind} {number} isn't stored")
    return _REQUESTS[kind](connection, number, state, as_of)


def _reservation(connection: Connection, number: str, state: State, as_of: datetime) -> Request:
    if not isinstance(state, ReservationState):
        raise TypeError(number)
    requested = request_of_order(connection, number)
    if requested is None:
        raise LookupError(f"order {number} neither waits nor is held")
    wait = timedelta()
    if state.status is ReservationStatus.WAITING and requested.until is not None:
        wait = max(requested.until - as_of, _SHORTEST)
    return {
        "reference_type": "ORDER",
        "reference_id": number,
        "lines": [line.model_dump(mode="json") for line in requested_lines(state.lines)],
        "ttl_minutes": _UNUSED,
        "wait_minutes": wait / timedelta(minutes=1),
        "performed_by": requested.performed_by,
    }


def _transfer(connection: Connection, number: str, state: State, as_of: datetime) -> Request:
    del state, as_of
    stored = stored_transfer(connection, number)
    return {
        "transfer_number": number,
        "from_warehouse_id": stored.from_warehouse_id,
        "to_warehouse_id": stored.to_warehouse_id,
        "line_items": [{"product_id": line.product_id, "quantity": line.quantity} for line in stored.line_items],
        "expected_transit_hours": stored.expected_transit_hours,
        "requested_by": stored.requested_by,
    }


def _cycle_count(connection: Connection, number: str, state: State, as_of: datetime) -> Request:
    del connection, as_of
    if not isinstance(state, CycleCountState):
        raise TypeError(number)
    return {
        "count_number": number,
        "warehouse_id": state.warehouse_id,
        "product_ids": [line.product_id for line in state.lines],
        "requested_by": state.requested_by,
    }


def _customer_return(connection: Connection, number: str, state: State, as_of: datetime) -> Request:
    del connection, as_of
    if not isinstance(state, ReturnState):
        raise TypeError(number)
    return {
        "return_number": number,
        "warehouse_id": state.warehouse_id,
        "reference_id": state.reference_id,
        "lines": [{"product_id": line.product_id, "quantity": line.quantity} for line in state.lines],
        "performed_by": state.requested_by,
    }


def _adjustment(connection: Connection, number: str, state: State, as_of: datetime) -> Request:
    del as_of
    if not isinstance(state, AdjustmentState):
        raise TypeError(number)
    occurred_at = adjusted_at(connection, number)
    return {
        "adjustment_number": number,
        "warehouse_id": state.warehouse_id,
        "lines": [{"product_id": line.product_id, "quantity": line.quantity} for line in state.lines],
        "reason": state.reason,
        "performed_by": state.requested_by,
        "occurred_at": None if occurred_at is None else occurred_at.isoformat(),
    }


_REQUESTS: Mapping[str, Callable[[Connection, str, State, datetime], Request]] = {
    "reservation": _reservation,
    "transfer": _transfer,
    "cycle_count": _cycle_count,
    "customer_return": _customer_return,
    "adjustment": _adjustment,
}
