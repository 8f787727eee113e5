"""Barcodes of products: which one, in which pack, and how many base units that pack has."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

# They neither read nor write it.
serves_older_workers = True

_ODD, _EVEN = (" + ".join(f"substr(barcode, {place}, 1)::integer" for place in range(first, 15, 2)) for first in (1, 2))

TABLE = f"""
CREATE TABLE product_barcodes (
    -- A GTIN has all of its 14 digits here, and any other code is as it is printed.
    barcode text NOT NULL,
    product_id bigint NOT NULL,
    unit text NOT NULL,
    -- Base units in that pack.
    quantity bigint NOT NULL,
    CONSTRAINT product_barcodes_pkey PRIMARY KEY (barcode),
    CONSTRAINT product_barcodes_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT product_barcodes_barcode_check CHECK (barcode <> '' AND barcode = btrim(barcode)
        AND barcode !~ '[[:cntrl:]]'),
    CONSTRAINT product_barcodes_gtin CHECK (CASE
        WHEN barcode ~ '^[0-9]{{14}}$' THEN (3 * ({_ODD}) + {_EVEN}) % 10 = 0
        ELSE barcode !~ '^([0-9]{{8}}|[0-9]{{12}}|[0-9]{{13}})$' END),
    CONSTRAINT product_barcodes_unit_check CHECK (unit ~ '^[^A-Z[:space:]]+$'),
    CONSTRAINT product_barcodes_quantity_check CHECK (quantity > 0)
);
CREATE INDEX product_barcodes_barcode_in_any_case ON product_barcodes (lower(barcode));
CREATE INDEX product_barcodes_product ON product_barcodes (product_id);
CREATE TRIGGER product_barcodes_have_no_twins BEFORE INSERT OR UPDATE OF barcode ON product_barcodes
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('barcode');
CREATE TRIGGER product_barcodes_are_of_the_catalogue BEFORE INSERT OR UPDATE OR DELETE ON product_barcodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
GRANT SELECT, INSERT, UPDATE, DELETE ON product_barcodes TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(TABLE)


downgrade = no_way_back
