"""The Nexus service ``inventory``: stock for the workflows of other teams, also those of another namespace.

A caller in Python makes its client from `InventoryService`; in any other language by the names and the schema. Every
operation may be called again: the reference, and the number of a shipment, say what it is about. docs/nexus.md has the
operations, their errors, and callers in two languages.
"""

from typing import Any, cast

import nexusrpc
from pydantic import BaseModel

from stockkeeper.contracts.messages import Reference
from stockkeeper.contracts.order_promising import AskPromise, DeliveryPromise
from stockkeeper.contracts.reservation import Cancel, Fulfill, ReservationRequest, ReservationState
from stockkeeper.contracts.stock import ShowLevels, StockLevels

SERVICE = "inventory"
"""The name of the service on the wire."""
DEFAULT_ENDPOINT = "stockkeeper-inventory"
"""The endpoint that `stockkeeper up` makes, unless the settings name another one."""


class FulfillHold(Fulfill):
    """Ship held stock of an order: all that is left, or these lines."""

    reference_id: Reference


class CancelHold(Cancel):
    """Release the stock of an order that is still held, or take it out of the queue."""

    reference_id: Reference


@nexusrpc.service(name=SERVICE)
class InventoryService:
    """Stock for the workflows of other teams."""

    levels: nexusrpc.Operation[ShowLevels, StockLevels]
    """Units on hand, reserved and available; a page. ``more`` says whether another one follows."""
    promise: nexusrpc.Operation[AskPromise, DeliveryPromise]
    """The day by which all of these lines can be there. Nothing is held by it."""
    reserve: nexusrpc.Operation[ReservationRequest, ReservationState]
    """Hold all lines of an order, or none; the answer is the state once it is settled: held, or in the queue."""
    hold: nexusrpc.Operation[ReservationRequest, ReservationState]
    """The same for as long as the operation lasts: started means held, cancelled means released.

    It is completed with the state at the end of the reservation.
    """
    fulfil: nexusrpc.Operation[FulfillHold, ReservationState]
    """Ship held stock."""
    cancel: nexusrpc.Operation[CancelHold, ReservationState]
    """Release held stock."""


def operations() -> dict[str, tuple[type[BaseModel], type[BaseModel]]]:
    """Input and output of each operation, by its name."""
    definition = nexusrpc.get_service_definition(InventoryService)
    found = definition.operation_definitions.values() if definition else []
    return {each.name: (cast("Any", each.input_type), cast("Any", each.output_type)) for each in found}
