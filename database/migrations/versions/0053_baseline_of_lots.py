"""Events from which lots can be folded: what is on hand of each, and what holds have of them; levels as of a day."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

# They call both functions without days, which goes on.
serves_older_workers = True

_LEVEL = (
    """'quantity_available', quantity_available, 'below_reorder_point', is_below_reorder_point),""",
    """'quantity_available', quantity_available - unusable,
            'below_reorder_point', coalesce(quantity_available - unusable < reorder_point, false))
            || CASE WHEN quantity_unavailable + unusable > 0
                THEN jsonb_build_object('quantity_unavailable', quantity_unavailable + unusable) ELSE '{}' END,""",
)

# Timezones have other names and versions here than where lots are held: whoever calls says which day it is. Here it is
# found out for workers that don't yet.
_ITEMS = (
    "JOIN warehouses USING (warehouse_id)\n    WHERE place IS NULL",
    """JOIN warehouses USING (warehouse_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN is_tracked THEN unusable_units(warehouse_id, product_id, coalesce(
            (days ->> warehouse_id::text)::date, (clock_timestamp() AT TIME ZONE timezone)::date))
        ELSE 0 END AS unusable) AS lots
    WHERE place IS NULL""",
)

_HOLDS = (
    "'released', quantity_released, 'status', status, 'expires_at', expires_at) ORDER BY reservation_id)",
    """'released', quantity_released, 'status', status, 'expires_at', expires_at) || coalesce((
                    SELECT jsonb_build_object('lots', jsonb_agg(jsonb_build_object(
                        'lot_number', lot_number, 'expires_on', expires_on, 'quantity', quantity_held,
                        'fulfilled', quantity_fulfilled)
                        ORDER BY coalesce(expires_on, best_before), lots.created_at, lot_number))
                    FROM reservation_lots AS allotted JOIN lots USING (product_id, lot_number)
                    WHERE allotted.reservation_id = reservations.reservation_id
                        AND quantity_held + quantity_fulfilled > 0
                    HAVING count(*) > 0), '{}') ORDER BY reservation_id)""",
)

# Before the holds, which name them.
_LOTS = """INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason,
        operation_id, workflow_id, run_id)
    SELECT 'lot.changed', 'lot/' || product_id || '/' || lot_number,
        CASE WHEN count(*) = 1 THEN min(warehouse_id) END, product_id, jsonb_build_object(
            'product_id', product_id, 'sku', sku, 'lot_number', lot_number, 'status', lots.status,
            'reason', status_reason, 'expires_on', expires_on, 'best_before', best_before,
            'warehouse_ids', jsonb_agg(warehouse_id ORDER BY warehouse_id),
            'on_hand', jsonb_agg(jsonb_build_object(
                'warehouse_id', warehouse_id, 'quantity_on_hand', quantity_on_hand) ORDER BY warehouse_id)),
        clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM lot_items JOIN lots USING (product_id, lot_number) JOIN products USING (product_id)
    WHERE quantity_on_hand > 0 AND (place IS NULL OR warehouse_id = place)
    GROUP BY product_id, lot_number, sku, lots.status, status_reason, expires_on, best_before
    ORDER BY product_id, lot_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    """

_TOLD, _BEGUN = "tell_what_is_there(bigint, text, text, text)", "begin_events_anew(text, text, text)"
_WITH_DAYS = ("why text)", "why text, days jsonb DEFAULT '{}')")

RIGHTS = """
REVOKE ALL ON FUNCTION tell_what_is_there(bigint, text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION begin_events_anew(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_events_anew(text, text, text, jsonb) TO stockkeeper_worker;
"""


def upgrade() -> None:
    told = _replaced(_definition(_TOLD), _WITH_DAYS, _LEVEL, _ITEMS, _HOLDS)
    before = told.rindex("INSERT INTO outbox", 0, told.index("'hold.made'"))
    begun = _replaced(_definition(_BEGUN), _WITH_DAYS, ("occasion, teller, why)", "occasion, teller, why, days)"))
    _execute(f"DROP FUNCTION {_TOLD}", f"DROP FUNCTION {_BEGUN}")
    _execute(told[:before] + _LOTS + told[before:], begun, RIGHTS)


def _definition(function: str) -> str:
    statement = f"SELECT pg_get_functiondef('{function}'::regprocedure)"
    return str(op.get_bind().exec_driver_sql(statement).scalar_one())


def _replaced(text: str, *parts: tuple[str, str]) -> str:
    for known, ours in parts:
        if text.count(known) != 1:
            raise RuntimeError(f"the function isn't what an earlier migration has made: {known!r}")
        text = text.replace(known, ours)
    return text


def _execute(*statements: str) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


downgrade = no_way_back
