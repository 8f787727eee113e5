"""What a purchase order knows: its approvals, its receipts, and how long the supplier took.

Approvals and receipts are facts: they are added and never changed, by grants as by the code.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

serves_older_workers = False

ORDERS = """
ALTER TABLE purchase_orders
    ADD COLUMN total numeric(38, 6) NOT NULL CHECK (total >= 0),
    ADD COLUMN required_approvals integer NOT NULL CHECK (required_approvals >= 0),
    -- The policy that was in force: later settings don't rewrite it.
    ADD COLUMN approval_policy jsonb NOT NULL,
    ADD COLUMN over_delivery_percent numeric(9, 3) NOT NULL CHECK (over_delivery_percent >= 0),
    ADD COLUMN submitted_at timestamptz,
    ADD COLUMN confirmed_at timestamptz,
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text,
    ADD COLUMN closed_reason text,
    ADD COLUMN operation_id text NOT NULL,
    ADD COLUMN workflow_id text NOT NULL,
    ADD COLUMN run_id text NOT NULL,
    ADD CONSTRAINT purchase_orders_requester UNIQUE (po_id, requested_by),
    ADD CONSTRAINT purchase_orders_submitted CHECK (
        CASE status
            WHEN 'DRAFT' THEN submitted_at IS NULL
            WHEN 'CANCELLED' THEN true
            ELSE submitted_at IS NOT NULL
        END),
    ADD CONSTRAINT purchase_orders_closed CHECK (
        (status IN ('RECEIVED', 'CANCELLED')) = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL));

ALTER TABLE purchase_order_lines
    ADD COLUMN quantity_receivable bigint NOT NULL,
    ADD CONSTRAINT purchase_order_lines_tolerance CHECK (quantity_receivable >= qty),
    ADD CONSTRAINT purchase_order_lines_not_too_much CHECK (quantity_received <= quantity_receivable);
"""

APPROVALS = """
CREATE TABLE purchase_order_approvals (
    po_id        bigint NOT NULL,
    approver     text NOT NULL,
    -- Here as well, so that the database can see that nobody approves their own.
    requested_by text NOT NULL,
    approved_at  timestamptz NOT NULL,
    note         text,
    operation_id text NOT NULL,
    PRIMARY KEY (po_id, approver),
    CONSTRAINT purchase_order_approvals_of FOREIGN KEY (po_id, requested_by)
        REFERENCES purchase_orders (po_id, requested_by),
    CONSTRAINT purchase_order_approvals_not_own CHECK (lower(approver) <> lower(requested_by))
);
CREATE UNIQUE INDEX purchase_order_approvals_distinct ON purchase_order_approvals (po_id, lower(approver));

-- Whatever the code thinks: nothing goes out to a supplier with an approval missing.
CREATE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    SELECT count(*) INTO given FROM purchase_order_approvals WHERE po_id = NEW.po_id;
    IF given < NEW.required_approvals THEN
        RAISE EXCEPTION 'purchase order % has % of % approvals', NEW.po_number, given, NEW.required_approvals
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'purchase_orders_are_approved';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER purchase_orders_are_approved
    AFTER INSERT OR UPDATE OF status, required_approvals ON purchase_orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.submitted_at IS NOT NULL)
    EXECUTE FUNCTION require_approvals();
"""

RECEIPTS = """
CREATE TABLE purchase_order_receipts (
    po_id        bigint NOT NULL REFERENCES purchase_orders,
    receipt_id   text NOT NULL,
    received_at  timestamptz NOT NULL,
    received_by  text NOT NULL,
    operation_id text NOT NULL,
    PRIMARY KEY (po_id, receipt_id)
);

CREATE TABLE purchase_order_receipt_lines (
    po_id             bigint NOT NULL,
    receipt_id        text NOT NULL,
    line_number       integer NOT NULL,
    quantity          bigint NOT NULL CHECK (quantity >= 0),
    quantity_rejected bigint NOT NULL CHECK (quantity_rejected >= 0),
    PRIMARY KEY (po_id, receipt_id, line_number),
    CONSTRAINT purchase_order_receipt_lines_something CHECK (quantity + quantity_rejected > 0),
    CONSTRAINT purchase_order_receipt_lines_receipt FOREIGN KEY (po_id, receipt_id)
        REFERENCES purchase_order_receipts (po_id, receipt_id),
    CONSTRAINT purchase_order_receipt_lines_line FOREIGN KEY (po_id, line_number)
        REFERENCES purchase_order_lines (po_id, line_number)
);
"""

PERFORMANCE = """
-- One row for each product that an order brought: from the order's submission to the product's last receipt.
CREATE TABLE supplier_lead_times (
    po_id          bigint NOT NULL REFERENCES purchase_orders,
    product_id     bigint NOT NULL REFERENCES products,
    supplier_id    bigint NOT NULL REFERENCES suppliers,
    lead_time_days numeric(12, 6) NOT NULL CHECK (lead_time_days >= 0),
    PRIMARY KEY (po_id, product_id)
);
CREATE INDEX supplier_lead_times_of ON supplier_lead_times (supplier_id, product_id);

-- What was measured stands beside what a file says, and doesn't overwrite it.
ALTER TABLE product_suppliers
    ADD COLUMN lead_times_measured bigint NOT NULL DEFAULT 0 CHECK (lead_times_measured >= 0),
    ADD COLUMN measured_lead_time_days numeric(12, 6) CHECK (measured_lead_time_days >= 0),
    ADD COLUMN measured_lead_time_deviation_days numeric(12, 6) CHECK (measured_lead_time_deviation_days >= 0),
    ADD COLUMN last_unit_cost numeric(18, 6) CHECK (last_unit_cost >= 0),
    ADD CONSTRAINT product_suppliers_measured CHECK (
        (lead_times_measured = 0) = (measured_lead_time_days IS NULL)
        AND (lead_times_measured < 2) = (measured_lead_time_deviation_days IS NULL));
"""

GRANTS = """
GRANT SELECT, INSERT ON
    purchase_order_approvals, purchase_order_receipts, purchase_order_receipt_lines, supplier_lead_times
    TO stockkeeper_worker;
"""


def upgrade() -> None:
    for part in (ORDERS, APPROVALS, RECEIPTS, PERFORMANCE, GRANTS):
        op.execute(part)


def downgrade() -> None:
    # Going back would forget who approved what.
    raise NotImplementedError("there is no way back: restore a backup instead")
