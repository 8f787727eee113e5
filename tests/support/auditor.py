"""An independent auditor: it reads the tables with its own SQL and shares no code with the product."""

from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, Engine, Text, bindparam, create_engine, make_url, text

from tests.support import auditor_lots
from tests.support.folding import Fold, differences, fold_all

_FINDINGS = text("""
    WITH ledger AS (
        SELECT warehouse_id, product_id, sum(quantity) AS moved,
            (array_agg(balance_after ORDER BY created_at DESC, movement_id DESC))[1] AS last_balance
        FROM stock_movements WHERE warehouse_id > :since GROUP BY warehouse_id, product_id
    ),
    promised AS (
        SELECT warehouse_id, product_id, sum(quantity - quantity_fulfilled - quantity_released) AS units
        FROM reservations WHERE status = 'ACTIVE' AND warehouse_id > :since GROUP BY warehouse_id, product_id
    ),
    item AS (
        SELECT item_id, quantity_on_hand AS on_hand, quantity_reserved AS reserved, quantity_available AS available,
            quantity_buffer AS buffer, coalesce(aside, 0) AS aside,
            coalesce(moved, 0) AS moved, coalesce(last_balance, 0) AS last_balance, coalesce(units, 0) AS promised
        FROM inventory_items
        LEFT JOIN ledger USING (warehouse_id, product_id)
        LEFT JOIN promised USING (warehouse_id, product_id)
        LEFT JOIN (
            SELECT warehouse_id, product_id, sum(quantity) AS aside FROM unavailable_stock
            GROUP BY warehouse_id, product_id) AS stated USING (warehouse_id, product_id)
        WHERE warehouse_id > :since
    ),
    chain AS (
        SELECT movement_id, created_at, balance_after, quantity,
            lag(created_at) OVER history AS earlier,
            coalesce(lag(balance_after) OVER history, 0) AS balance_before
        FROM stock_movements WHERE warehouse_id > :since
        WINDOW history AS (PARTITION BY warehouse_id, product_id ORDER BY movement_id)
    ),
    receipt AS (
        SELECT po_id, line_number, sum(quantity) AS accepted, sum(quantity_rejected) AS rejected
        FROM purchase_order_receipt_lines JOIN purchase_orders USING (po_id)
        WHERE warehouse_id > :since GROUP BY po_id, line_number
    ),
    ordered AS (
        SELECT po_number, warehouse_id, product_id, line_number, quantity_received, quantity_rejected,
            quantity_returned, coalesce((
                SELECT sum(quantity) FROM purchase_order_return_lines AS back
                WHERE (back.po_id, back.line_number) = (purchase_orders.po_id, purchase_order_lines.line_number)), 0)
                AS sent_back,
            coalesce(accepted, 0) AS accepted, coalesce(rejected, 0) AS rejected
        FROM purchase_orders
        JOIN purchase_order_lines USING (po_id)
        LEFT JOIN receipt USING (po_id, line_number)
        WHERE warehouse_id > :since
    ),
    reordered AS (
        SELECT warehouse_id, product_id, count(*) AS lines
        FROM purchase_orders JOIN purchase_order_lines USING (po_id)
        WHERE po_number ~ '^RO-[0-9]+$' AND requested_by = 'reorder'
            AND status NOT IN ('RECEIVED', 'CANCELLED') AND quantity_received < qty AND warehouse_id > :since
            -- One that joins an order which is too late or too small says so.
            AND coalesce(note, '') !~ '; RO-[0-9]+ brings [0-9]+( on [0-9-]+)?: too (late|few)'
        GROUP BY warehouse_id, product_id
    ),
    delivered AS (
        SELECT po_number, warehouse_id, product_id, sum(accepted - sent_back) AS units
        FROM ordered GROUP BY po_number, warehouse_id, product_id
    ),
    bought AS (
        SELECT reference_id AS po_number, warehouse_id, product_id, sum(quantity) AS units
        FROM stock_movements WHERE movement_type = 'PURCHASE' AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id
    ),
    carried AS (
        SELECT transfer_id, line_number,
            sum(quantity) FILTER (WHERE kind = 'DISPATCHED') AS dispatched,
            -sum(quantity) FILTER (WHERE kind = 'RECEIVED') AS received,
            -sum(quantity) FILTER (WHERE kind = 'DAMAGED') AS damaged,
            -sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF') AS written_off,
            -sum(quantity) FILTER (WHERE kind = 'RETURNED') AS returned,
            sum(quantity) AS in_transit,
            (array_agg(balance_after ORDER BY transit_movement_id DESC))[1] AS last_balance
        FROM transit_movements JOIN transfer_orders USING (transfer_id)
        WHERE greatest(from_warehouse_id, to_warehouse_id) > :since GROUP BY transfer_id, line_number
    ),
    on_its_way AS (
        SELECT transfer_number, from_warehouse_id, to_warehouse_id, transfer_orders.status, line.*,
            source_at IS NULL AS leaves_here, destination_at IS NULL AS arrives_here,
            (line.dispatched, line.received, line.damaged, line.written_off, line.returned, line.in_transit,
                line.in_transit)
            = (coalesce(carried.dispatched, 0), coalesce(carried.received, 0), coalesce(carried.damaged, 0),
                coalesce(carried.written_off, 0), coalesce(carried.returned, 0), coalesce(carried.in_transit, 0),
                coalesce(last_balance, 0)) AS agrees
        FROM transfer_orders
        JOIN transfer_order_lines AS line USING (transfer_id)
        LEFT JOIN carried USING (transfer_id, line_number)
        WHERE greatest(from_warehouse_id, to_warehouse_id) > :since
    ),
    expected_leg AS (
        SELECT transfer_number, warehouse_id, product_id, movement_type, sum(units) AS units
        FROM on_its_way CROSS JOIN LATERAL (VALUES
            (leaves_here, from_warehouse_id, 'TRANSFER_OUT', -dispatched),
            (arrives_here, to_warehouse_id, 'TRANSFER_IN', received),
            (leaves_here, from_warehouse_id, 'TRANSFER_IN', returned)
            ) AS leg (is_here, warehouse_id, movement_type, units)
        WHERE is_here AND leg.warehouse_id > :since
        GROUP BY transfer_number, warehouse_id, product_id, movement_type
        HAVING sum(units) <> 0
    ),
    booked_leg AS (
        SELECT reference_id AS transfer_number, warehouse_id, product_id, movement_type, sum(quantity) AS units
        FROM stock_movements WHERE movement_type IN ('TRANSFER_OUT', 'TRANSFER_IN') AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id, movement_type
    ),
    held_at_source AS (
        SELECT reference_id AS transfer_number, sum(quantity - quantity_fulfilled - quantity_released) AS units
        FROM reservations WHERE reference_type = 'TRANSFER' AND status = 'ACTIVE' AND warehouse_id > :since
        GROUP BY reference_id
        UNION ALL
        -- As another database has told, which keeps the source.
        SELECT transfer_number, sum(held_elsewhere) FROM on_its_way
        WHERE NOT leaves_here AND from_warehouse_id > :since GROUP BY transfer_number HAVING sum(held_elsewhere) > 0
    ),
    pending AS (
        SELECT transfer_number, status, sum(quantity - dispatched) AS units
        FROM on_its_way WHERE status IN ('PENDING', 'IN_TRANSIT') AND from_warehouse_id > :since
        GROUP BY transfer_number, status
    ),
    leaving AS (
        SELECT transfer_number, product_id, sum(quantity) AS asked, sum(dispatched) AS departed
        FROM on_its_way WHERE leaves_here AND from_warehouse_id > :since GROUP BY transfer_number, product_id
    ),
    given_out AS (
        SELECT reference_id AS transfer_number, product_id, sum(quantity) AS asked, sum(quantity_fulfilled) AS departed
        FROM reservations WHERE reference_type = 'TRANSFER' AND warehouse_id > :since
        GROUP BY reference_id, product_id
    ),
    inspected AS (
        SELECT return_id, line_number, sum(restocked) AS restocked, sum(scrapped) AS scrapped
        FROM return_inspection_lines JOIN returns USING (return_id)
        WHERE warehouse_id > :since GROUP BY return_id, line_number
    ),
    sent_back AS (
        SELECT return_number, warehouse_id, returns.status, closed_reason, line.*,
            (line.restocked, line.scrapped) = (coalesce(inspected.restocked, 0), coalesce(inspected.scrapped, 0))
                AS agrees
        FROM returns
        JOIN return_lines AS line USING (return_id)
        LEFT JOIN inspected USING (return_id, line_number)
        WHERE warehouse_id > :since
    ),
    put_back AS (
        SELECT return_number, warehouse_id, product_id, sum(restocked) AS units
        FROM sent_back GROUP BY return_number, warehouse_id, product_id
    ),
    came_back AS (
        SELECT reference_id AS return_number, warehouse_id, product_id, sum(quantity) AS units
        FROM stock_movements WHERE movement_type = 'RETURN' AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id
    ),
    adjusted AS (
        SELECT adjustment_number, adjustments.warehouse_id, status, requested_by, needs_approval, approved_by,
            closed_by, value, unvalued_units, product_id, quantity, unit_cost
        FROM adjustments LEFT JOIN adjustment_lines USING (adjustment_id)
        WHERE adjustments.warehouse_id > :since
    ),
    corrected AS (
        SELECT adjustment_number, warehouse_id, product_id, closed_by AS operation_id, sum(quantity) AS units
        FROM adjusted WHERE status = 'POSTED' GROUP BY adjustment_number, warehouse_id, product_id, closed_by
    ),
    booked_by_hand AS (
        SELECT reference_id AS adjustment_number, warehouse_id, product_id, operation_id, sum(quantity) AS units
        FROM stock_movements
        WHERE movement_type = 'ADJUSTMENT' AND workflow_id LIKE 'adjustment-%' AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id, operation_id
    ),
    by_hand AS (
        SELECT adjustment_number, status, value, unvalued_units, needs_approval, approved_by, requested_by,
            coalesce(sum(abs(quantity) * unit_cost), 0) AS lines_value,
            coalesce(sum(CASE WHEN unit_cost IS NULL THEN abs(quantity) END), 0) AS lines_unvalued
        FROM adjusted
        GROUP BY adjustment_number, status, value, unvalued_units, needs_approval, approved_by, requested_by
    ),
    looked AS (
        SELECT count_id, product_id, lot_number, count(*) AS looks,
            (array_agg(counted_by ORDER BY entry_number DESC))[1] AS last_by,
            (array_agg(counted_quantity ORDER BY entry_number DESC))[1] AS last_counted,
            (array_agg(entry.system_quantity ORDER BY entry_number DESC))[1] AS last_system,
            (array_agg(within_tolerance ORDER BY entry_number DESC))[1] AS last_within,
            array_agg(lower(counted_by)) AS people,
            (array_agg(counted_quantity - entry.system_quantity ORDER BY entry_number DESC))[1] AS last_off,
            bool_and(within_tolerance = (
                abs(counted_quantity - entry.system_quantity) <= tolerance_units
                OR abs(counted_quantity - entry.system_quantity) * 100 <= tolerance_percent * entry.system_quantity))
                AS judged
        FROM cycle_count_entries AS entry JOIN cycle_counts USING (count_id)
        WHERE warehouse_id > :since GROUP BY count_id, product_id, lot_number
    ),
    counted AS (
        SELECT count_number, warehouse_id, cycle_counts.status AS count_status, line.*,
            coalesce(looks, 0) AS looks, last_by, last_counted, last_system, last_within, people, judged,
            -- One person posts what is within tolerance and within the limit; what ends holds nobody does unapproved.
            last_within AND CASE WHEN unit_cost > 0 THEN abs(last_off) * unit_cost <= 500 ELSE abs(last_off) <= 100 END
                AS one_may, would_end <> '[]' AS ends
        FROM cycle_counts
        JOIN cycle_count_lines AS line USING (count_id)
        JOIN products USING (product_id)
        LEFT JOIN looked USING (count_id, product_id, lot_number)
        WHERE warehouse_id > :since
    ),
    found AS (
        SELECT count_number, warehouse_id, product_id, posted_by AS operation_id, counted_quantity - system_quantity
            AS units
        FROM counted WHERE status = 'POSTED'
    ),
    booked_by_count AS (
        SELECT reference_id AS count_number, warehouse_id, product_id, operation_id, sum(quantity) AS units
        FROM stock_movements
        WHERE movement_type = 'ADJUSTMENT' AND workflow_id LIKE 'cycle-count-%' AND warehouse_id > :since
        GROUP BY reference_id, warehouse_id, product_id, operation_id
    ),
    out AS (
        SELECT po_number, status, required_approvals, (
            SELECT count(DISTINCT lower(approver)) FROM purchase_order_approvals AS approval
            WHERE approval.po_id = purchase_orders.po_id AND approval.version >= approvals_since
                AND lower(approver) <> lower(purchase_orders.requested_by)
                AND lower(approver) NOT IN (
                    SELECT lower(amended_by) FROM purchase_order_amendments AS amended
                    WHERE amended.po_id = purchase_orders.po_id)
        ) AS approvals
        FROM purchase_orders WHERE status IN ('SUBMITTED', 'CONFIRMED', 'RECEIVED') AND warehouse_id > :since
    )
    SELECT 'item ' || item_id || ': on hand ' || on_hand || ', movements add up to ' || moved
        FROM item WHERE on_hand <> moved
    UNION ALL
    SELECT 'item ' || item_id || ': on hand ' || on_hand || ', last balance ' || last_balance
        FROM item WHERE on_hand <> last_balance
    UNION ALL
    SELECT 'item ' || item_id || ': reserved ' || reserved || ', open reservations ' || promised
        FROM item WHERE reserved <> promised
    UNION ALL
    SELECT 'item ' || item_id || ': reserved ' || reserved || ' of ' || on_hand || ', available ' || available
            || ', set aside ' || aside
        FROM item WHERE reserved + aside > on_hand OR available <> on_hand - reserved - buffer - aside
    UNION ALL
    SELECT 'movement ' || movement_id || ': not later than the one before'
        FROM chain WHERE created_at <= earlier
    UNION ALL
    SELECT 'movement ' || movement_id || ': ' || balance_before || ' and ' || quantity || ' make ' || balance_after
        FROM chain WHERE balance_before + quantity <> balance_after
    UNION ALL
    SELECT 'order ' || po_number || ' line ' || line_number || ': received ' || quantity_received || ' and rejected '
            || quantity_rejected || ', receipts add up to ' || accepted || ' and ' || rejected
        FROM ordered WHERE (quantity_received, quantity_rejected) <> (accepted, rejected)
    UNION ALL
    SELECT 'order ' || po_number || ' line ' || line_number || ': returned ' || quantity_returned
            || ', returns add up to ' || sent_back
        FROM ordered WHERE quantity_returned <> sent_back
    UNION ALL
    SELECT 'order ' || po_number || ' product ' || product_id || ' in warehouse ' || warehouse_id || ': receipts of '
            || coalesce(delivered.units, 0) || ', purchases of ' || coalesce(bought.units, 0)
        FROM delivered FULL JOIN bought USING (po_number, warehouse_id, product_id)
        WHERE coalesce(delivered.units, 0) <> coalesce(bought.units, 0)
    UNION ALL
    SELECT 'order ' || po_number || ': ' || status || ' with ' || approvals || ' of ' || required_approvals
            || ' approvals'
        FROM out WHERE approvals < required_approvals
    UNION ALL
    SELECT 'order ' || po_number || ': version ' || version || ' of ' || total || ', its lines make ' || (
            SELECT sum(qty * unit_cost) FROM purchase_order_lines AS line WHERE line.po_id = purchase_orders.po_id)
        FROM purchase_orders
        WHERE version > 1 AND warehouse_id > :since AND NOT (
            version = (SELECT count(*) + 1 FROM purchase_order_amendments AS amended
                WHERE amended.po_id = purchase_orders.po_id)
            AND total = (SELECT sum(qty * unit_cost) FROM purchase_order_lines AS line
                WHERE line.po_id = purchase_orders.po_id))
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' line ' || line_number || ': not what its entries add up to'
        FROM on_its_way WHERE NOT agrees
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' line ' || line_number || ': units appeared or vanished'
        FROM on_its_way WHERE dispatched <> received + damaged + written_off + returned + in_transit
            OR dispatched > quantity OR least(received, damaged, written_off, returned, in_transit) < 0
    UNION ALL
    SELECT 'transfer ' || transfer_number || ': ' || status || ' with ' || sum(in_transit) || ' in transit'
        FROM on_its_way LEFT JOIN held_at_source USING (transfer_number) GROUP BY transfer_number, status
        HAVING (status = 'IN_TRANSIT') <> (sum(in_transit) > 0)
            AND NOT (status = 'IN_TRANSIT' AND sum(dispatched) > 0 AND max(units) > 0)
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' product ' || product_id || ' in warehouse ' || warehouse_id || ': '
            || movement_type || ' of ' || coalesce(booked_leg.units, 0) || ', its lines say '
            || coalesce(expected_leg.units, 0)
        FROM expected_leg FULL JOIN booked_leg USING (transfer_number, warehouse_id, product_id, movement_type)
        WHERE coalesce(expected_leg.units, 0) <> coalesce(booked_leg.units, 0)
    UNION ALL
    SELECT 'transfer ' || transfer_number || ': ' || coalesce(pending.units, 0) || ' pending, '
            || coalesce(held_at_source.units, 0) || ' held'
        FROM pending FULL JOIN held_at_source USING (transfer_number)
        WHERE CASE
            WHEN status = 'PENDING' THEN pending.units <> coalesce(held_at_source.units, 0)
            -- The hold of the rest may have given way.
            ELSE coalesce(held_at_source.units, 0) > coalesce(pending.units, 0)
        END
    UNION ALL
    SELECT 'transfer ' || transfer_number || ' product ' || product_id || ': asked for ' || coalesce(leaving.asked, 0)
            || ' and dispatched ' || coalesce(leaving.departed, 0) || ', its hold says '
            || coalesce(given_out.asked, 0) || ' and ' || coalesce(given_out.departed, 0)
        FROM leaving FULL JOIN given_out USING (transfer_number, product_id)
        WHERE (leaving.asked, leaving.departed) IS DISTINCT FROM (given_out.asked, given_out.departed)
    UNION ALL
    SELECT 'return ' || return_number || ' line ' || line_number || ': not what its inspections found'
        FROM sent_back WHERE NOT agrees OR least(restocked, scrapped, quantity - restocked - scrapped) < 0
    UNION ALL
    SELECT 'return ' || return_number || ': ' || status || ' with ' || sum(restocked + scrapped) || ' of '
            || sum(quantity) || ' inspected'
        FROM sent_back GROUP BY return_number, status, closed_reason
        HAVING status <> CASE
            WHEN sum(restocked + scrapped) = sum(quantity) THEN 'INSPECTED'
            WHEN closed_reason IS NULL THEN 'EXPECTED'
            WHEN sum(restocked + scrapped) = 0 THEN 'CANCELLED'
            ELSE 'INSPECTED'
        END
    UNION ALL
    SELECT 'return ' || return_number || ' product ' || product_id || ' in warehouse ' || warehouse_id
            || ': restocked ' || coalesce(put_back.units, 0) || ', RETURN of ' || coalesce(came_back.units, 0)
        FROM put_back FULL JOIN came_back USING (return_number, warehouse_id, product_id)
        WHERE coalesce(put_back.units, 0) <> coalesce(came_back.units, 0)
    UNION ALL
    SELECT 'adjustment ' || adjustment_number || ' product ' || product_id || ' in warehouse ' || warehouse_id
            || ': its lines say ' || coalesce(corrected.units, 0) || ', booked ' || coalesce(booked_by_hand.units, 0)
        FROM corrected FULL JOIN booked_by_hand USING (adjustment_number, warehouse_id, product_id, operation_id)
        WHERE coalesce(corrected.units, 0) <> coalesce(booked_by_hand.units, 0)
    UNION ALL
    SELECT 'adjustment ' || adjustment_number || ': worth ' || value || ' and ' || unvalued_units
            || ' units, its lines say ' || lines_value || ' and ' || lines_unvalued
        FROM by_hand WHERE (value, unvalued_units) <> (lines_value, lines_unvalued)
    UNION ALL
    SELECT 'adjustment ' || adjustment_number || ': posted, approved by ' || coalesce(approved_by, 'nobody')
        FROM by_hand
        WHERE status = 'POSTED' AND needs_approval
            AND lower(coalesce(approved_by, requested_by)) = lower(requested_by)
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ' in warehouse ' || warehouse_id
            || ': its line says ' || coalesce(found.units, 0) || ', booked ' || coalesce(booked_by_count.units, 0)
        FROM found FULL JOIN booked_by_count USING (count_number, warehouse_id, product_id, operation_id)
        WHERE coalesce(found.units, 0) <> coalesce(booked_by_count.units, 0)
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ': not what was counted last'
        FROM counted
        WHERE (counted_by, counted_quantity, system_quantity) IS DISTINCT FROM (last_by, last_counted, last_system)
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ': an entry misjudged'
        FROM counted WHERE NOT judged
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ': ' || status || ' after ' || looks || ' looks'
            || ', approved by ' || coalesce(approved_by, 'nobody')
        FROM counted
        WHERE NOT CASE status
            WHEN 'COUNTING' THEN looks = 0 AND approved_by IS NULL
            WHEN 'REVIEW' THEN approved_by IS NULL AND (ends AND looks >= 1 OR looks = 1 AND NOT one_may)
            WHEN 'CANCELLED' THEN approved_by IS NULL AND (looks <= 1 OR ends)
            ELSE (approved_by IS NULL AND NOT ends AND (looks >= 2 OR looks = 1 AND one_may))
                OR (approved_by IS NOT NULL AND (ends AND looks >= 1 OR looks = 1 AND NOT one_may))
        END
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ': ' || approved_by || ' counted it and approved it'
        FROM counted WHERE lower(approved_by) = lower(last_by)
            OR NOT ends AND lower(approved_by) = ANY (people)
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ': counted twice by one person'
        FROM counted WHERE looks > (SELECT count(DISTINCT person) FROM unnest(people) AS person)
    UNION ALL
    SELECT 'count ' || count_number || ': ' || count_status || ' with lines that are '
            || string_agg(DISTINCT status, ', ')
        FROM counted GROUP BY count_number, count_status
        HAVING count_status <> coalesce(
            min('COUNTING') FILTER (WHERE status = 'COUNTING'), min('REVIEW') FILTER (WHERE status = 'REVIEW'),
            min('CANCELLED') FILTER (WHERE status = 'CANCELLED'), 'POSTED')
    UNION ALL
    SELECT 'count ' || count_number || ' product ' || product_id || ': posted, and the item was never counted'
        FROM counted JOIN inventory_items USING (warehouse_id, product_id)
        WHERE status = 'POSTED' AND last_counted_at IS NULL
    UNION ALL
    SELECT 'product ' || product_id || ' in warehouse ' || warehouse_id || ': reordered ' || lines || ' times'
        FROM reordered WHERE lines > 1
    UNION ALL
    SELECT 'order ' || reference_id || ': its wait is ' || waits.status || ', ' || count(reservation_id) || ' held'
        FROM waits LEFT JOIN reservations USING (reference_id)
        WHERE waiting_since >= cast(:from_time AS timestamptz) AND waits.status IN ('HELD', 'WAITING', 'CANCELLED')
        GROUP BY reference_id, waits.wait_id, waits.status
        HAVING (waits.status = 'HELD') <> (count(reservation_id) > 0)
    UNION ALL
    SELECT 'operation ' || operation_id || ': no result'
        FROM operations WHERE result IS NULL AND created_at >= cast(:from_time AS timestamptz)
""").bindparams(bindparam("since", type_=BigInteger), bindparam("from_time", type_=Text))


class Mark(NamedTuple):
    """A moment in the life of the books, from which on they are audited."""

    warehouse_id: int = 0
    """The newest warehouse; later ones have larger ids."""
    time: str = "-infinity"
    """The database's clock."""
    transaction: int = -1
    """The first transaction id that was still unused; each transaction that writes takes one."""
    event: int = 0
    """The number of the latest event."""
    hold: int = 0
    """The newest line of a hold, or wait; later ones have higher ids."""


ALWAYS = Mark()
"""Before everything."""


def findings(connection: Connection, since: Mark = ALWAYS) -> list[str]:
    """Disagreements between the books, one sentence each; empty when they are in order.

    Args:
        connection: The database.
        since: Look only at warehouses and operations that are newer; a transfer counts as its newer warehouse.
    """
    asked = {"since": since.warehouse_id, "from_time": since.time}
    return [*connection.execute(_FINDINGS, asked).scalars(), *auditor_lots.findings(connection, since.warehouse_id)]


_NUMBER = text("SELECT number_events(1000)")
_MARK = text("""
    SELECT coalesce(max(warehouse_id), 0), clock_timestamp()::text,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        (SELECT greatest(last_number, (SELECT max(number) FROM events)) FROM event_log),
        (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM reservations_reservation_id_seq)
    FROM warehouses
""")


def auditors_engine(url: str) -> Engine:
    """A connection that plans what is asked here once, and not at each of some thousand audits.

    Planning `findings` takes ten times as long as answering it. A plan for any mark is made for a third of each table,
    which would be read from end to end; an audit since the last test needs a few rows, by their index. The connection
    may be cut between two audits.
    """
    options = "-c timezone=UTC -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",
        connect_args={"options": options, "prepare_threshold": 0},
    )


def mark(engine: Engine, *, fold: bool = False) -> Mark:
    """The present moment; with ``fold``, all events from before it have their numbers."""
    with engine.connect() as connection:
        while fold and connection.execute(_NUMBER).scalar_one():
            pass
        return Mark(*connection.execute(_MARK).one())


def assert_books_agree(engine: Engine, since: Mark = ALWAYS, *, fold: bool = False) -> None:
    """On hand, ledger, promises and balances agree for every item, and orders with what came of them.

    With ``fold``, the events agree with all of it as well: not where tests write rows as no program does.

    Nothing is asked where no transaction has written since the mark: what agreed then agrees now.
    """
    with engine.connect() as connection:
        if Mark(*connection.execute(_MARK).one()).transaction == since.transaction:
            return
        assert findings(connection, since) == []
    if fold:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            assert untold(connection, since) == []


def untold(connection: Connection, since: Mark = ALWAYS) -> list[str]:
    """What events tell otherwise than the tables have it, of later warehouses, one sentence each.

    Args:
        connection: A snapshot.
        since: As for `findings`. Nothing is found where events were forgotten.
    """
    fold = fold_all(connection, Fold(cursor=since.event, since=since.warehouse_id))
    if fold.lacks_its_beginning:
        return []
    # Tests set reorder points past all steps, and choose the days of theirs.
    otherwise = differences(connection, fold, waits_since=since.hold, points=False, on_any_day=True)
    return [*fold.problems, *otherwise]
