"""Plans that take from a warehouse's past what is usual there, and how far its demand strays from plans."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# A worker of the revision before plans each item by itself.
serves_older_workers = True

HINDSIGHTS = """
CREATE TABLE warehouse_hindsights (
    warehouse_id bigint PRIMARY KEY REFERENCES warehouses,
    as_of timestamptz NOT NULL,
    -- What it was asked with; another run that asks otherwise looks back anew.
    history_days integer NOT NULL CHECK (history_days > 0),
    service_level double precision NOT NULL CHECK (service_level > 0 AND service_level < 1),
    bulk_factor double precision,
    -- The usual variance / mean is exp(a + b ln mean + c ln² mean); NULL in all six: it doesn't count.
    spread_a double precision,
    spread_b double precision,
    spread_c double precision,
    spread_least double precision,
    spread_most double precision,
    spread_days double precision,
    widening double precision NOT NULL CHECK (widening >= 1),
    items integer NOT NULL CHECK (items >= 0),
    orders double precision NOT NULL CHECK (orders >= 0),
    reached double precision NOT NULL CHECK (reached BETWEEN 0 AND 1),
    CONSTRAINT warehouse_hindsights_spread_check
        CHECK (num_nulls(spread_a, spread_b, spread_c, spread_least, spread_most, spread_days) IN (0, 6))
);
GRANT SELECT, INSERT, UPDATE ON warehouse_hindsights TO stockkeeper_worker;
"""

PLANS = """
ALTER TABLE item_plans
    -- NULL in both: the item's own days alone.
    ADD COLUMN usual_deviation double precision CHECK (usual_deviation >= 0),
    ADD COLUMN usual_days double precision CHECK (usual_days > 0),
    -- NULL: planned before it was known.
    ADD COLUMN widening double precision CHECK (widening >= 1);
"""


def upgrade() -> None:
    op.execute(HINDSIGHTS)
    op.execute(PLANS)


downgrade = no_way_back
