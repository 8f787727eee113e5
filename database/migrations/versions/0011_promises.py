"""Promises are broken by two people, and are known afterwards: the holds that gave way, and the approval."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

serves_older_workers = False

SEEN = """
-- The holds that a correction would end, as its approver has seen them.
ALTER TABLE adjustments
    ADD COLUMN would_end jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT adjustments_end_holds_by_approval CHECK (needs_approval OR would_end = '[]');
ALTER TABLE cycle_count_lines
    ADD COLUMN would_end jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT cycle_count_lines_end_holds_by_approval CHECK (
        status <> 'POSTED' OR approved_by IS NOT NULL OR would_end = '[]');
"""

GIVEN_WAY = """
CREATE TABLE given_way (
    reservation_id bigint NOT NULL REFERENCES reservations,
    operation_id   text NOT NULL,
    warehouse_id   bigint NOT NULL,
    product_id     bigint NOT NULL,
    quantity       bigint NOT NULL CHECK (quantity > 0),
    -- The count or adjustment; empty: the line followed another one of its order or transfer.
    document       text NOT NULL,
    gave_way_at    timestamptz NOT NULL,
    expires_at     timestamptz,
    held_again_at  timestamptz,
    held_again_by  text,
    PRIMARY KEY (reservation_id, operation_id),
    CONSTRAINT given_way_item FOREIGN KEY (warehouse_id, product_id)
        REFERENCES inventory_items (warehouse_id, product_id),
    CONSTRAINT given_way_held_again CHECK ((held_again_at IS NULL) = (held_again_by IS NULL))
);
CREATE INDEX given_way_by_operation ON given_way (operation_id);
CREATE INDEX given_way_open ON given_way (warehouse_id, product_id, expires_at) WHERE held_again_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON given_way TO stockkeeper_worker;
"""

APPROVED = """
-- Whatever the code decides: a correction that has ended a hold has been approved.
CREATE FUNCTION require_an_approval_to_end_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    operation text := CASE TG_TABLE_NAME
        WHEN 'adjustments' THEN to_jsonb(NEW) ->> 'closed_by' ELSE to_jsonb(NEW) ->> 'posted_by' END;
BEGIN
    IF EXISTS (SELECT FROM given_way WHERE given_way.operation_id = operation) THEN
        RAISE EXCEPTION 'the correction % has ended holds without an approval', operation
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER adjustments_end_holds_approved AFTER INSERT OR UPDATE ON adjustments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'POSTED' AND NEW.approved_by IS NULL)
    EXECUTE FUNCTION require_an_approval_to_end_holds();
CREATE CONSTRAINT TRIGGER cycle_count_lines_end_holds_approved AFTER INSERT OR UPDATE ON cycle_count_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'POSTED' AND NEW.approved_by IS NULL)
    EXECUTE FUNCTION require_an_approval_to_end_holds();
"""


def upgrade() -> None:
    for part in (SEEN, GIVEN_WAY, APPROVED):
        op.execute(part)


downgrade = no_way_back
