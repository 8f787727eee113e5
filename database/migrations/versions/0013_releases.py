"""Holds that are lowered: a part of a line is given up, and the rest stays held."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

serves_older_workers = False

RELEASES = """
ALTER TABLE reservations
    ADD COLUMN quantity_released bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT reservations_fulfilled_within,
    DROP CONSTRAINT reservations_fulfilled_whole,
    ADD CONSTRAINT reservations_fulfilled_within CHECK (
        quantity_fulfilled >= 0 AND quantity_released >= 0 AND quantity_fulfilled + quantity_released <= quantity),
    -- A line of which nothing is open any more has been shipped or given up.
    ADD CONSTRAINT reservations_fulfilled_whole CHECK (
        (status = 'FULFILLED') = (quantity_fulfilled + quantity_released = quantity));

CREATE TABLE reservation_releases (
    reservation_id bigint NOT NULL REFERENCES reservations,
    operation_id text NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    released_at timestamptz NOT NULL,
    released_by text NOT NULL,
    reason text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT reservation_releases_pkey PRIMARY KEY (reservation_id, operation_id)
);
GRANT SELECT, INSERT ON reservation_releases TO stockkeeper_worker;
CREATE TRIGGER reservation_releases_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reservation_releases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();

CREATE FUNCTION require_releases_to_be_on_the_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line reservations;
    released numeric;
BEGIN
    SELECT * INTO line FROM reservations WHERE reservation_id = NEW.reservation_id;
    SELECT coalesce(sum(quantity), 0) INTO released
        FROM reservation_releases WHERE reservation_id = NEW.reservation_id;
    IF line.quantity_released <> released THEN
        RAISE EXCEPTION 'line % of the hold of % % has given up %, and its releases say %',
            NEW.reservation_id, lower(line.reference_type), line.reference_id, line.quantity_released, released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'releases_are_on_the_line';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER reservations_are_released AFTER UPDATE OF quantity_released ON reservations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.quantity_released <> NEW.quantity_released)
    EXECUTE FUNCTION require_releases_to_be_on_the_line();
CREATE CONSTRAINT TRIGGER reservation_releases_are_on_the_line AFTER INSERT ON reservation_releases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_releases_to_be_on_the_line();

CREATE OR REPLACE VIEW transfer_holds AS
    SELECT transfer_id,
        (row_number() OVER (PARTITION BY transfer_id ORDER BY reservation_id))::integer AS line_number,
        held.quantity AS asked,
        held.quantity_fulfilled AS departed,
        CASE WHEN held.status = 'ACTIVE'
            THEN held.quantity - held.quantity_fulfilled - held.quantity_released ELSE 0 END AS held
    FROM transfer_orders
    JOIN reservations AS held ON (held.reference_type, held.reference_id) = ('TRANSFER', transfer_number);
"""


def upgrade() -> None:
    op.execute(RELEASES)


downgrade = no_way_back
