"""One rule for approvals, which purchase orders, adjustments and counts share."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

serves_older_workers = False

RULE = """
-- The rule of stockkeeper/domain/approval.py: enough different people have approved, none of whom is involved. A change
-- of the rule is a CREATE OR REPLACE of this function; rows that are there already aren't checked again.
CREATE FUNCTION is_approved(required integer, approvers text[], involved text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT count(DISTINCT lower(approver)) >= required FROM unnest(approvers) AS approver
        WHERE NOT EXISTS (SELECT 1 FROM unnest(involved) AS person WHERE lower(person) = lower(approver))
    );
"""

# The constraints keep their names, and hold for the rows that are there: each says what it said before.
CONSTRAINTS = """
ALTER TABLE purchase_order_approvals
    DROP CONSTRAINT purchase_order_approvals_not_own,
    ADD CONSTRAINT purchase_order_approvals_not_own CHECK (is_approved(1, ARRAY[approver], ARRAY[requested_by]));
ALTER TABLE adjustments
    DROP CONSTRAINT adjustments_not_own,
    ADD CONSTRAINT adjustments_not_own CHECK (
        approved_by IS NULL OR is_approved(1, ARRAY[approved_by], ARRAY[requested_by]));
ALTER TABLE cycle_count_lines
    DROP CONSTRAINT cycle_count_lines_not_own,
    ADD CONSTRAINT cycle_count_lines_not_own CHECK (
        approved_by IS NULL OR is_approved(1, ARRAY[approved_by], ARRAY[counted_by]));
"""

SUBMISSION = """
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    approvers text[];
BEGIN
    SELECT coalesce(array_agg(approver), '{}') INTO approvers
    FROM purchase_order_approvals WHERE po_id = NEW.po_id;
    IF NOT is_approved(NEW.required_approvals, approvers, ARRAY[NEW.requested_by]) THEN
        RAISE EXCEPTION 'purchase order % has % of % approvals',
                NEW.po_number, cardinality(approvers), NEW.required_approvals
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'purchase_orders_are_approved';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    for part in (RULE, CONSTRAINTS, SUBMISSION):
        op.execute(part)


def downgrade() -> None:
    # As for every migration: there is no way back to a version that doesn't know what has been written since.
    raise NotImplementedError("there is no way back: restore a backup instead")
