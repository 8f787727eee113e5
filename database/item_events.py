"""Events of items whose rows are changed by SQL and not in memory: their levels, and their reorder points.

Levels that change in memory are told by `database.locked_stock`.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from database.clock import day_of
from database.operations import Operation
from database.pipeline import Statement, numbers, send, texts
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.stock import ItemKey

_COLUMNS = """
    kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id
"""

# The keys are those of the models in `stockkeeper.contracts.event`.
_NAMES = """
    'product_id', item.product_id, 'sku', products.sku,
    'warehouse_id', item.warehouse_id, 'warehouse', warehouses.name
"""
_LEVEL = f"""jsonb_build_object({_NAMES},
    'quantity_on_hand', item.quantity_on_hand, 'quantity_reserved', item.quantity_reserved,
    'quantity_buffer', item.quantity_buffer,
    'quantity_available', item.quantity_available - lots.unusable,
    'below_reorder_point', coalesce(item.quantity_available - lots.unusable < item.reorder_point, false))
    || CASE WHEN item.quantity_unavailable + lots.unusable > 0
        THEN jsonb_build_object('quantity_unavailable', item.quantity_unavailable + lots.unusable)
        ELSE '{{}}' END"""
_POINT = f"""jsonb_build_object({_NAMES},
    'reorder_point', item.reorder_point, 'reorder_quantity', item.reorder_quantity)"""


def _insert(kind: EventKind, data: str, source: str) -> str:
    """An INSERT of one event for each row of ``source``; its values are those of `values_of`, and then the source's."""
    return f"""
        INSERT INTO outbox ({_COLUMNS})
        SELECT '{kind}', 'item/' || item.warehouse_id || '/' || item.product_id, item.warehouse_id, item.product_id,
            {data}, clock_timestamp(), %s, %s, %s, %s, %s
        FROM {source} JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
        ORDER BY item.warehouse_id, item.product_id
    """  # noqa: S608 - constants only


def points_from(source: str) -> str:
    """An INSERT that tells the reorder points of items; ``source`` gives them as ``item``, with their columns."""
    return _insert(EventKind.REORDER_POINT_CHANGED, _POINT, source)


def values_of(operation: Operation, reason: str | None = None) -> tuple[str | None, ...]:
    """The values of these statements: who is behind the events, why, and by which operation."""
    return operation.performed_by, reason, operation.operation_id, operation.workflow_id, operation.run_id


_THESE = """unnest(%s::bigint[], %s::bigint[]) AS wanted (warehouse_id, product_id)
        JOIN inventory_items AS item USING (warehouse_id, product_id)"""
_POINTS_OF_THESE = points_from(_THESE)
# A level is as of a day, which others of its warehouse have as well.
_LEVELS_OF_THESE = _insert(
    EventKind.LEVEL_CHANGED,
    _LEVEL,
    """unnest(%s::bigint[], %s::bigint[], %s::date[]) AS wanted (warehouse_id, product_id, today)
        JOIN inventory_items AS item USING (warehouse_id, product_id)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN item.is_tracked THEN unusable_units(item.warehouse_id, item.product_id, wanted.today)
                ELSE 0 END AS unusable) AS lots""",
)
_TIMEZONES = """
    SELECT warehouse_id, timezone, clock_timestamp() FROM warehouses WHERE warehouse_id = ANY (%s::bigint[])
"""


def tell_levels(
    connection: Connection, operation: Operation, items: Iterable[ItemKey], *, reason: str | None = None
) -> None:
    """Tell what these items have now. The caller has changed them, and holds their locks.

    What is available of lots is as of the day that their warehouse has at the step's time.
    """
    keys = sorted(items)
    if not keys:
        return
    [found] = send(connection, [Statement(_TIMEZONES, (numbers({key.warehouse_id for key in keys}),))])
    today = {place: day_of(operation.as_of or now, timezone).isoformat() for place, timezone, now in found}
    _tell(connection, _LEVELS_OF_THESE, keys, values_of(operation, reason), texts(today[key[0]] for key in keys))


def tell_points(connection: Connection, operation: Operation, items: Iterable[ItemKey]) -> None:
    """Tell which reorder points these items have now. The caller has changed them, and holds their locks."""
    _tell(connection, _POINTS_OF_THESE, items, values_of(operation))


def _tell(
    connection: Connection, insert: str, items: Iterable[ItemKey], behind: Sequence[str | None], *more: str
) -> None:
    keys = sorted(items)
    these = (numbers(key.warehouse_id for key in keys), numbers(key.product_id for key in keys), *more)
    # In the text the values of the SELECT come before those of its FROM.
    send(connection, [Statement(insert, (*behind, *these))])
