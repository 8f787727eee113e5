"""The client for Python services."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

from temporalio.client import Client

from stockkeeper.client.adjustment import Adjustments
from stockkeeper.client.barcode import Barcodes
from stockkeeper.client.connection import ANSWER_WITHIN, Connection, connect_temporal, task_queue
from stockkeeper.client.customer_return import CustomerReturns
from stockkeeper.client.cycle_count import CycleCounts
from stockkeeper.client.databases import connection_to, databases_by_environment
from stockkeeper.client.document import Part
from stockkeeper.client.event import Events
from stockkeeper.client.event_subscriber import EventSubscribers
from stockkeeper.client.identity import Token, token_by
from stockkeeper.client.import_file import Imports
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.inspection import Inspections
from stockkeeper.client.item_reasons import ItemReasons
from stockkeeper.client.ledger import Ledger
from stockkeeper.client.lot import Lots
from stockkeeper.client.lot_trace import LotTracing
from stockkeeper.client.move import Moves
from stockkeeper.client.order_promising import OrderPromising
from stockkeeper.client.product import Products
from stockkeeper.client.purchase_order import PurchaseOrders
from stockkeeper.client.recall import Recalls
from stockkeeper.client.replenishment import Replenishment
from stockkeeper.client.reservation import Reservations
from stockkeeper.client.runs import lists_together
from stockkeeper.client.stock_audit import StockAudits
from stockkeeper.client.supply import Supply
from stockkeeper.client.transfer import Transfers


class Stockkeeper(
    Reservations,
    PurchaseOrders,
    Transfers,
    CustomerReturns,
    Adjustments,
    Inspections,
    Recalls,
    LotTracing,
    CycleCounts,
    Replenishment,
    OrderPromising,
    Ledger,
    ItemReasons,
    Lots,
    Events,
    Products,
    Barcodes,
    Supply,
    StockAudits,
    Imports,
    Moves,
    EventSubscribers,
):
    """Stock, for a service. One per process is enough; it may be used from many tasks at once.

    Products go by SKU or id, warehouses and suppliers by name or id, wherever one is asked for: a str is a SKU or name,
    an int an id. Each group of methods stands in the module of its document: `reserve` in
    `stockkeeper.client.reservation`, `levels` in `stockkeeper.client.stock`.

    Attributes:
        connection: Temporal client, task queue and patience.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @classmethod
    async def connect(
        cls,
        address: str | None = None,
        *,
        namespace: str | None = None,
        queue: str | None = None,
        answer_within: timedelta = ANSWER_WITHIN,
        identity: Token | None = None,
        databases: Sequence[str] | None = None,
    ) -> Self:
        """Connect to Temporal.

        Args:
            address: ``host:port``; None: by the standard ``TEMPORAL_*`` variables or ``temporal.toml``, or else
                ``localhost:7233``.
            namespace: The same for the namespace.
            queue: The workers' task queue; None: ``STOCKKEEPER_TASK_QUEUE``, or else ``stockkeeper``.
            answer_within: How long each call waits for its answer before it raises `Unreachable`.
            identity: A token of the identity provider that every call carries, or what gives the present one; None: by
                ``STOCKKEEPER_IDENTITY_TOKEN`` or ``STOCKKEEPER_IDENTITY_TOKEN_FILE``, or else none.
            databases: The task queues of several databases, that of the catalogue's first, in place of ``queue``; None:
                by ``STOCKKEEPER_DATABASES`` unless ``queue`` is given, or else there is one database.

        Raises:
            Unreachable: No Temporal server answers at that address.
        """
        client = await connect_temporal(address, namespace, identity=identity or token_by())
        several = databases or ([] if queue else databases_by_environment())
        return cls(connection_to(client, queue or task_queue(), several, answer_within=answer_within))

    def at(self, queue: str) -> Self:
        """A client for one of several databases: for questions and runs that concern all that is kept there.

        Args:
            queue: The task queue of its workers.
        """
        return type(self)(self.connection.at(queue))

    async def inbox(self, *, now: datetime | None = None) -> list[InboxItem]:
        """All that waits for a person, the oldest first.

        These are drafts and adjustments to approve, counts beyond tolerance, orders and transfers that are overdue,
        returns to inspect, units that are set aside, and findings of the audit.

        Args:
            now: The instant from which something due is overdue; None: the present, by this machine's clock.

        Raises:
            Unreachable: No worker answers.
        """
        at = now or datetime.now(UTC)
        parts = [each for each in type(self).__mro__ if issubclass(each, Part) and "waiting" in vars(each)]
        with lists_together():
            found = await asyncio.gather(*(part.waiting(self, at) for part in parts))
        return sorted(
            (item for items in found for item in items), key=lambda item: (item.since, item.kind, item.number)
        )

    @property
    def client(self) -> Client:
        """The Temporal client, for handles and lists of your own."""
        return self.connection.client

    def __repr__(self) -> str:
        """Namespace and task queue."""
        return f"<Stockkeeper {self.client.namespace} on {self.connection.task_queue}>"
