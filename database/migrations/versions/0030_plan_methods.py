"""Plans by the distribution of each item: which one, and what it comes to."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

serves_older_workers = True

DEMAND = """
-- What planning adds up is in the index: the days of an item are written months apart, and lie in as many blocks.
ALTER TABLE daily_demand
    DROP CONSTRAINT daily_demand_pkey,
    ADD CONSTRAINT daily_demand_pkey PRIMARY KEY (warehouse_id, product_id, day) INCLUDE (quantity);
"""

PLANS = """
ALTER TABLE item_plans
    -- The point less the demand over the lead time: for a low level of service it may be less.
    DROP CONSTRAINT item_plans_safety_stock_check,
    -- The measure that the level in service_level is of.
    ADD COLUMN service_measure text NOT NULL DEFAULT 'cycle' CHECK (service_measure IN ('cycle', 'fill')),
    -- NULL in both: no demand.
    ADD COLUMN method text DEFAULT 'seed',
    ADD COLUMN demand_class text CHECK (demand_class IN ('smooth', 'erratic', 'intermittent', 'lumpy')),
    -- What follows is NULL in a plan of an older worker.
    ADD COLUMN days_with_demand integer CHECK (days_with_demand BETWEEN 0 AND days),
    -- Money; the rate is a part of the unit cost per year.
    ADD COLUMN order_cost double precision CHECK (order_cost >= 0),
    ADD COLUMN holding_cost_rate double precision CHECK (holding_cost_rate >= 0),
    ADD COLUMN unit_cost double precision CHECK (unit_cost >= 0),
    ADD COLUMN undershoot double precision CHECK (undershoot >= 0),
    -- Units that leave from the point until the goods are there, as a distribution.
    ADD COLUMN outgoing_mean double precision CHECK (outgoing_mean >= 0),
    ADD COLUMN outgoing_deviation double precision CHECK (outgoing_deviation >= 0),
    ADD COLUMN outgoing_skewness double precision,
    -- Deviations above that mean which the point was rounded from.
    ADD COLUMN factor double precision,
    ADD COLUMN expected_cycle_service double precision CHECK (expected_cycle_service BETWEEN 0 AND 1),
    ADD COLUMN expected_fill_rate double precision CHECK (expected_fill_rate BETWEEN 0 AND 1);
"""


def upgrade() -> None:
    op.execute(DEMAND)
    op.execute(PLANS)


downgrade = no_way_back
