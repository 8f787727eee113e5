"""Receipts that are corrected by a counter-entry, and goods that go back to the supplier."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

serves_older_workers = False

TABLES = """
-- A purchase's counter-entry is a purchase of negative units; a trigger compares them with the order's lines.
ALTER TABLE stock_movements
    DROP CONSTRAINT stock_movements_direction,
    ADD CONSTRAINT stock_movements_direction CHECK (
        CASE movement_type
            WHEN 'RETURN' THEN quantity > 0
            WHEN 'TRANSFER_IN' THEN quantity > 0
            WHEN 'SALE' THEN quantity < 0
            WHEN 'TRANSFER_OUT' THEN quantity < 0
            ELSE true
        END);

ALTER TABLE purchase_order_receipts
    ADD COLUMN corrects text,
    ADD COLUMN reason text,
    ADD CONSTRAINT purchase_order_receipts_correct CHECK (
        (corrects IS NULL) = (reason IS NULL) AND corrects <> receipt_id),
    ADD CONSTRAINT purchase_order_receipts_corrected FOREIGN KEY (po_id, corrects)
        REFERENCES purchase_order_receipts (po_id, receipt_id);
ALTER TABLE purchase_order_receipt_lines
    DROP CONSTRAINT purchase_order_receipt_lines_quantity_check,
    DROP CONSTRAINT purchase_order_receipt_lines_quantity_rejected_check,
    DROP CONSTRAINT purchase_order_receipt_lines_something,
    ADD CONSTRAINT purchase_order_receipt_lines_something CHECK (
        (quantity <> 0 OR quantity_rejected <> 0)
        AND (least(quantity, quantity_rejected) >= 0 OR greatest(quantity, quantity_rejected) <= 0));

ALTER TABLE purchase_order_lines
    ADD COLUMN quantity_returned bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT purchase_order_lines_returned CHECK (quantity_returned BETWEEN 0 AND quantity_received);

CREATE TABLE purchase_order_returns (
    po_id bigint NOT NULL REFERENCES purchase_orders,
    return_id text NOT NULL,
    returned_at timestamptz NOT NULL,
    returned_by text NOT NULL,
    reason text NOT NULL,
    reference text,
    operation_id text NOT NULL,
    CONSTRAINT purchase_order_returns_pkey PRIMARY KEY (po_id, return_id)
);
CREATE TABLE purchase_order_return_lines (
    po_id bigint NOT NULL,
    return_id text NOT NULL,
    line_number integer NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    CONSTRAINT purchase_order_return_lines_pkey PRIMARY KEY (po_id, return_id, line_number),
    CONSTRAINT purchase_order_return_lines_return FOREIGN KEY (po_id, return_id)
        REFERENCES purchase_order_returns (po_id, return_id),
    CONSTRAINT purchase_order_return_lines_line FOREIGN KEY (po_id, line_number)
        REFERENCES purchase_order_lines (po_id, line_number)
);
GRANT SELECT, INSERT ON purchase_order_returns, purchase_order_return_lines TO stockkeeper_worker;
CREATE TRIGGER purchase_order_returns_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON purchase_order_returns
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE TRIGGER purchase_order_return_lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON purchase_order_return_lines FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
"""

RULES = """
CREATE FUNCTION require_the_receipt_to_have_it() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    receipt purchase_order_receipts;
    rest record;
BEGIN
    SELECT * INTO receipt FROM purchase_order_receipts WHERE po_id = NEW.po_id AND receipt_id = NEW.receipt_id;
    SELECT coalesce(sum(quantity), 0) AS accepted, coalesce(sum(quantity_rejected), 0) AS rejected INTO rest
        FROM purchase_order_receipt_lines AS line JOIN purchase_order_receipts AS of USING (po_id, receipt_id)
        WHERE line.po_id = NEW.po_id AND line.line_number = NEW.line_number
            AND coalesce(of.corrects, of.receipt_id) = coalesce(receipt.corrects, receipt.receipt_id);
    IF (receipt.corrects IS NULL) <> (least(NEW.quantity, NEW.quantity_rejected) >= 0)
        OR least(rest.accepted, rest.rejected) < 0 THEN
        RAISE EXCEPTION 'receipt % takes back more than receipt % has brought', NEW.receipt_id, receipt.corrects
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'receipts_have_what_is_corrected';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER purchase_order_receipt_lines_have_it AFTER INSERT ON purchase_order_receipt_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (least(NEW.quantity, NEW.quantity_rejected) < 0) EXECUTE FUNCTION require_the_receipt_to_have_it();

CREATE FUNCTION require_what_is_taken_back_to_be_booked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ordered record;
    moved numeric;
BEGIN
    SELECT coalesce(sum(line.quantity_received - line.quantity_returned), 0) AS units INTO ordered
        FROM purchase_orders JOIN purchase_order_lines AS line USING (po_id)
        WHERE po_number = NEW.reference_id AND warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id;
    SELECT coalesce(sum(quantity), 0) INTO moved FROM stock_movements
        WHERE reference_id = NEW.reference_id AND warehouse_id = NEW.warehouse_id
            AND product_id = NEW.product_id AND movement_type = 'PURCHASE';
    IF moved <> ordered.units THEN
        RAISE EXCEPTION 'product % of purchase order % is booked with %, and its lines say %',
                NEW.product_id, NEW.reference_id, moved, ordered.units
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'purchases_are_their_lines';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER stock_movements_take_back AFTER INSERT ON stock_movements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.movement_type = 'PURCHASE' AND NEW.quantity < 0)
    EXECUTE FUNCTION require_what_is_taken_back_to_be_booked();

CREATE FUNCTION require_returns_to_be_on_the_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    on_line bigint;
    returned numeric;
BEGIN
    SELECT quantity_returned INTO on_line FROM purchase_order_lines
        WHERE po_id = NEW.po_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(quantity), 0) INTO returned FROM purchase_order_return_lines
        WHERE po_id = NEW.po_id AND line_number = NEW.line_number;
    IF on_line IS DISTINCT FROM returned THEN
        RAISE EXCEPTION 'line % of order % has returned %, and its returns say %',
                NEW.line_number, NEW.po_id, on_line, returned
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_are_on_the_line';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER purchase_order_lines_are_returned AFTER UPDATE OF quantity_returned ON purchase_order_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.quantity_returned <> NEW.quantity_returned)
    EXECUTE FUNCTION require_returns_to_be_on_the_line();
CREATE CONSTRAINT TRIGGER purchase_order_return_lines_are_on_the_line AFTER INSERT ON purchase_order_return_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_returns_to_be_on_the_line();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(RULES)
    # The view of what the documents state, with the purchases less what has gone back.
    said = op.get_bind().exec_driver_sql("SELECT pg_get_viewdef('documents_say'::regclass)").scalar_one()
    received = "purchase_order_lines.quantity_received AS units"
    less = "(purchase_order_lines.quantity_received - purchase_order_lines.quantity_returned) AS units"
    if received not in said:
        raise RuntimeError("the view documents_say isn't as it is known here")
    op.execute("CREATE OR REPLACE VIEW documents_say AS " + said.replace(received, less))


downgrade = no_way_back
