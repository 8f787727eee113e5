"""Purchase orders that are amended: versions, and approvals that count for one version and those after it."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

serves_older_workers = False

VERSIONS = """
ALTER TABLE purchase_orders
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN approvals_since integer NOT NULL DEFAULT 1,
    ADD COLUMN approval_asked_at timestamptz,
    ADD CONSTRAINT purchase_orders_version_check CHECK (version >= 1),
    ADD CONSTRAINT purchase_orders_approvals_since_check CHECK (approvals_since BETWEEN 1 AND version),
    ADD CONSTRAINT purchase_orders_asked CHECK ((approvals_since > 1) = (approval_asked_at IS NOT NULL));

ALTER TABLE purchase_order_approvals
    ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    DROP CONSTRAINT purchase_order_approvals_pkey,
    ADD CONSTRAINT purchase_order_approvals_pkey PRIMARY KEY (po_id, version, approver);
DROP INDEX purchase_order_approvals_distinct;
CREATE UNIQUE INDEX purchase_order_approvals_distinct
    ON purchase_order_approvals (po_id, version, lower(approver));

CREATE TABLE purchase_order_amendments (
    po_id bigint NOT NULL REFERENCES purchase_orders,
    version integer NOT NULL CHECK (version > 1),
    amended_at timestamptz NOT NULL,
    amended_by text NOT NULL,
    reason text NOT NULL,
    status_before text NOT NULL CHECK (status_before IN ('DRAFT', 'SUBMITTED')),
    total_before numeric(38, 6) NOT NULL,
    lines_before jsonb NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT purchase_order_amendments_pkey PRIMARY KEY (po_id, version)
);
GRANT SELECT, INSERT ON purchase_order_amendments TO stockkeeper_worker;
CREATE TRIGGER purchase_order_amendments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON purchase_order_amendments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
"""

# Approvals from before the latest round don't count, and those who have written the order don't approve it.
APPROVALS = """
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ordered purchase_orders;
    approvers text[];
    involved text[];
BEGIN
    SELECT * INTO ordered FROM purchase_orders WHERE po_id = NEW.po_id;
    IF ordered.submitted_at IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(array_agg(approver), '{}') INTO approvers
        FROM purchase_order_approvals WHERE po_id = ordered.po_id AND version >= ordered.approvals_since;
    SELECT coalesce(array_agg(amended_by), '{}') INTO involved
        FROM purchase_order_amendments WHERE po_id = ordered.po_id;
    IF NOT is_approved(ordered.required_approvals, approvers, ordered.requested_by || involved) THEN
        RAISE EXCEPTION 'purchase order % has % of % approvals',
                ordered.po_number, cardinality(approvers), ordered.required_approvals
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'purchase_orders_are_approved';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER purchase_orders_are_approved ON purchase_orders;
CREATE CONSTRAINT TRIGGER purchase_orders_are_approved
    AFTER INSERT OR UPDATE OF status, required_approvals, approvals_since ON purchase_orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.submitted_at IS NOT NULL)
    EXECUTE FUNCTION require_approvals();
"""

# Only an amendment deletes lines, for a shorter order.
LINES = """
CREATE FUNCTION drop_order_lines(po bigint, after_line integer) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = "$user", public AS $$
DECLARE
    ordered purchase_orders;
BEGIN
    SELECT * INTO ordered FROM purchase_orders WHERE po_id = po FOR NO KEY UPDATE;
    IF ordered.status NOT IN ('DRAFT', 'SUBMITTED') OR after_line < 1 THEN
        RAISE EXCEPTION 'purchase order % is %: its lines stay', ordered.po_number, ordered.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'order_lines_stay';
    END IF;
    DELETE FROM purchase_order_lines WHERE po_id = po AND line_number > after_line;
END $$;
REVOKE EXECUTE ON FUNCTION drop_order_lines(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_order_lines(bigint, integer) TO stockkeeper_worker;

CREATE FUNCTION require_the_total_to_be_the_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ordered purchase_orders;
    worth numeric;
    versions bigint;
BEGIN
    SELECT * INTO ordered FROM purchase_orders WHERE po_id = NEW.po_id;
    SELECT coalesce(sum(qty * unit_cost), 0) INTO worth FROM purchase_order_lines WHERE po_id = NEW.po_id;
    SELECT count(*) + 1 INTO versions FROM purchase_order_amendments WHERE po_id = NEW.po_id;
    IF (ordered.total, ordered.version) IS DISTINCT FROM (worth, versions::integer) THEN
        RAISE EXCEPTION 'purchase order % is version % of %, and its % amendments and lines make %',
                ordered.po_number, ordered.version, ordered.total, versions - 1, worth
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'orders_are_their_lines';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER purchase_orders_are_their_lines AFTER UPDATE OF total, version ON purchase_orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.total <> NEW.total OR OLD.version <> NEW.version)
    EXECUTE FUNCTION require_the_total_to_be_the_lines();
CREATE CONSTRAINT TRIGGER purchase_order_amendments_are_versions AFTER INSERT ON purchase_order_amendments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_the_total_to_be_the_lines();
"""


def upgrade() -> None:
    for part in (VERSIONS, APPROVALS, LINES):
        op.execute(part)


downgrade = no_way_back
