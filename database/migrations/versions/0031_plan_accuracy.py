"""What plans promised and what was reached: plans by month, orders that came, and holds that were refused."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

serves_older_workers = True

MONTHS = """
-- The plan that an item had when a month began, or the first one that it got in it.
CREATE TABLE plan_months (
    warehouse_id           bigint NOT NULL,
    product_id             bigint NOT NULL,
    month                  date NOT NULL CHECK (extract(day FROM month) = 1),
    method                 text,
    demand_class           text,
    service_measure        text NOT NULL,
    service_level          double precision NOT NULL,
    expected_cycle_service double precision,
    expected_fill_rate     double precision,
    reorder_point          bigint NOT NULL,
    reorder_quantity       bigint NOT NULL,
    planned_at             timestamptz NOT NULL,
    -- Units that left in the month; NULL until it is over.
    units                  bigint,
    CONSTRAINT plan_months_pkey PRIMARY KEY (warehouse_id, product_id, month),
    CONSTRAINT plan_months_item FOREIGN KEY (warehouse_id, product_id)
        REFERENCES inventory_items (warehouse_id, product_id)
);
CREATE INDEX plan_months_open ON plan_months (month) WHERE units IS NULL;
"""

CYCLES = """
-- A replenishment cycle of an item: from the order to the first of its goods.
CREATE TABLE replenishment_cycles (
    po_id        bigint NOT NULL REFERENCES purchase_orders,
    product_id   bigint NOT NULL REFERENCES products,
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    -- Of the receipt, by the warehouse's calendar.
    month        date NOT NULL CHECK (extract(day FROM month) = 1),
    ordered_at   timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    -- The shelf was empty, or a hold was refused, between the two.
    ran_out      boolean NOT NULL,
    CONSTRAINT replenishment_cycles_pkey PRIMARY KEY (po_id, product_id)
);
CREATE INDEX replenishment_cycles_by_month ON replenishment_cycles (month);
"""

REFUSED = """
-- Units that a customer's order or a transfer wanted and that weren't there; kept when the refusal itself is forgotten.
CREATE TABLE refused_demand (
    operation_id text NOT NULL,
    warehouse_id bigint NOT NULL REFERENCES warehouses,
    product_id   bigint NOT NULL REFERENCES products,
    month        date NOT NULL CHECK (extract(day FROM month) = 1),
    refused_at   timestamptz NOT NULL,
    units        bigint NOT NULL CHECK (units > 0),
    CONSTRAINT refused_demand_pkey PRIMARY KEY (operation_id, warehouse_id, product_id)
);
CREATE INDEX refused_demand_by_month ON refused_demand (month);
CREATE INDEX refused_demand_by_item ON refused_demand (warehouse_id, product_id, refused_at);
"""

RIGHTS = """
GRANT SELECT, INSERT, UPDATE ON plan_months, replenishment_cycles, refused_demand TO stockkeeper_worker;
"""


def upgrade() -> None:
    for statement in (MONTHS, CYCLES, REFUSED, RIGHTS):
        op.execute(statement)


downgrade = no_way_back
