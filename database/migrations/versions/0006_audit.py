"""What the ledger answers, and what the audit found: balances at an instant, findings, and past reorder points."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

serves_older_workers = False

BALANCES = """
-- What an item had at an instant: one look-up in stock_movements_by_item.
CREATE FUNCTION balance_at(warehouse bigint, product bigint, instant timestamptz)
    RETURNS TABLE (balance_after bigint, created_at timestamptz) LANGUAGE sql STABLE AS $$
    SELECT moved.balance_after, moved.created_at FROM stock_movements AS moved
    WHERE moved.warehouse_id = warehouse AND moved.product_id = product AND moved.created_at <= instant
    ORDER BY moved.created_at DESC, moved.movement_id DESC LIMIT 1
$$;
"""

FINDINGS = """
CREATE TABLE audit_findings (
    finding_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind <> ''),
    warehouse_id  bigint REFERENCES warehouses,
    product_id    bigint REFERENCES products,
    -- The order, the transfer, the hold or the movement that is off; empty: the item itself.
    document      text NOT NULL DEFAULT '',
    expected      bigint NOT NULL,
    actual        bigint NOT NULL,
    status        text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'GONE', 'REPAIRED', 'ACCEPTED')),
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    workflow_id   text NOT NULL,
    run_id        text NOT NULL,
    closed_at     timestamptz,
    closed_by     text,
    closed_reason text,
    operation_id  text,
    CONSTRAINT audit_findings_closed CHECK (
        (status = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)
        AND (closed_at IS NULL) = (closed_reason IS NULL))
);
-- One and the same thing is one finding, however many nights it is seen in.
CREATE UNIQUE INDEX audit_findings_once ON audit_findings (
    kind, coalesce(warehouse_id, 0), coalesce(product_id, 0), document)
    WHERE status IN ('OPEN', 'ACCEPTED');
"""

DOCUMENTS = """
-- Everything that books movements under its own number.
CREATE VIEW audited_documents AS
SELECT 'purchase_order' AS kind, po_id AS id, po_number AS number, workflow_id FROM purchase_orders
UNION ALL SELECT 'transfer', transfer_id, transfer_number, workflow_id FROM transfer_orders
UNION ALL SELECT 'cycle_count', count_id, count_number, workflow_id FROM cycle_counts
UNION ALL SELECT 'customer_return', return_id, return_number, workflow_id FROM returns
UNION ALL SELECT 'adjustment', adjustment_id, adjustment_number, workflow_id FROM adjustments;

-- What they say themselves that they have moved.
CREATE VIEW documents_say AS
SELECT 'purchase_order' AS kind, po_id AS id, warehouse_id, product_id, 'PURCHASE' AS movement_type,
    quantity_received AS units
FROM purchase_orders JOIN purchase_order_lines USING (po_id)
UNION ALL
SELECT 'transfer', transfer_id, from_warehouse_id, product_id, 'TRANSFER_OUT', -dispatched
FROM transfer_orders JOIN transfer_order_lines USING (transfer_id)
UNION ALL
SELECT 'transfer', transfer_id, to_warehouse_id, product_id, 'TRANSFER_IN', received
FROM transfer_orders JOIN transfer_order_lines USING (transfer_id)
UNION ALL
SELECT 'transfer', transfer_id, from_warehouse_id, product_id, 'TRANSFER_IN', returned
FROM transfer_orders JOIN transfer_order_lines USING (transfer_id)
UNION ALL
SELECT 'cycle_count', count_id, warehouse_id, product_id, 'ADJUSTMENT', delta
FROM cycle_counts JOIN cycle_count_lines AS line USING (count_id)
WHERE line.status = 'POSTED'
UNION ALL
SELECT 'customer_return', return_id, warehouse_id, product_id, 'RETURN', restocked
FROM returns JOIN return_lines USING (return_id)
UNION ALL
SELECT 'adjustment', adjustment_id, warehouse_id, product_id, 'ADJUSTMENT', quantity
FROM adjustments JOIN adjustment_lines USING (adjustment_id)
WHERE status = 'POSTED';
"""

POINTS = """
-- What an item's reorder point was, and since when.
CREATE TABLE reorder_points (
    warehouse_id  bigint NOT NULL,
    product_id    bigint NOT NULL,
    since         timestamptz NOT NULL,
    reorder_point bigint,
    PRIMARY KEY (warehouse_id, product_id, since),
    CONSTRAINT reorder_points_item FOREIGN KEY (warehouse_id, product_id)
        REFERENCES inventory_items (warehouse_id, product_id)
);
INSERT INTO reorder_points (warehouse_id, product_id, since, reorder_point)
    SELECT warehouse_id, product_id, clock_timestamp(), reorder_point FROM inventory_items
    WHERE reorder_point IS NOT NULL;

CREATE FUNCTION keep_the_reorder_point() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO reorder_points (warehouse_id, product_id, since, reorder_point)
        VALUES (NEW.warehouse_id, NEW.product_id, clock_timestamp(), NEW.reorder_point)
        ON CONFLICT (warehouse_id, product_id, since) DO UPDATE SET reorder_point = excluded.reorder_point;
    RETURN NULL;
END $$;

CREATE TRIGGER inventory_items_keep_their_point
    AFTER UPDATE OF reorder_point ON inventory_items
    FOR EACH ROW WHEN (OLD.reorder_point IS DISTINCT FROM NEW.reorder_point)
    EXECUTE FUNCTION keep_the_reorder_point();

-- What was promised of an item at an instant.
CREATE INDEX reservations_by_item ON reservations (warehouse_id, product_id, created_at);
"""

GRANTS = """
-- What was found first, and when, stays as it was written.
GRANT SELECT, INSERT, UPDATE (
    expected, actual, status, last_seen_at, workflow_id, run_id, closed_at, closed_by, closed_reason, operation_id)
    ON audit_findings TO stockkeeper_worker;
GRANT SELECT ON reorder_points, audited_documents, documents_say TO stockkeeper_worker;
-- Operations are forgotten in the end; nothing else is.
GRANT DELETE ON operations TO stockkeeper_worker;
"""


def upgrade() -> None:
    for part in (BALANCES, FINDINGS, DOCUMENTS, POINTS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    # Going back would forget what was found.
    raise NotImplementedError("there is no way back: restore a backup instead")
