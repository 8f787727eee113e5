"""A product may be renamed, and its former SKUs still lead to it."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

serves_older_workers = False

TABLE = """
CREATE TABLE former_skus (
    former_sku_id bigint GENERATED ALWAYS AS IDENTITY,
    sku text NOT NULL,
    product_id bigint NOT NULL,
    renamed_at timestamp with time zone NOT NULL,
    renamed_by text NOT NULL,
    operation_id text NOT NULL,
    taken_back_at timestamp with time zone,
    CONSTRAINT former_skus_pkey PRIMARY KEY (former_sku_id),
    CONSTRAINT former_skus_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE UNIQUE INDEX former_skus_sku_in_any_case ON former_skus (lower(sku)) WHERE taken_back_at IS NULL;
CREATE INDEX former_skus_product ON former_skus (product_id);
GRANT SELECT, INSERT, UPDATE ON former_skus TO stockkeeper_worker;
"""

# A row's own name in another case is no twin of it.
TWINS = """
CREATE OR REPLACE FUNCTION refuse_a_twin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    name text := to_jsonb(NEW) ->> TG_ARGV[0];
    own text := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ->> TG_ARGV[0] END;
    twin text;
BEGIN
    EXECUTE format('SELECT %1$I FROM %2$I
            WHERE lower(%1$I) = lower($1) AND %1$I <> $1 AND %1$I IS DISTINCT FROM $2 LIMIT 1',
        TG_ARGV[0], TG_TABLE_NAME) INTO twin USING name, own;
    IF twin IS NOT NULL THEN
        RAISE EXCEPTION '% differs from % by upper and lower case alone', name, twin
            USING ERRCODE = 'unique_violation', CONSTRAINT = TG_TABLE_NAME || '_have_no_twins';
    END IF;
    RETURN NEW;
END $$;
"""

# At commit: a new product waits for the renaming that gives its SKU away, and sees it then.
ONE_MEANING = """
CREATE FUNCTION require_a_sku_to_have_one_meaning() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM former_skus JOIN products ON lower(products.sku) = lower(former_skus.sku)
        WHERE lower(former_skus.sku) = lower(NEW.sku) AND taken_back_at IS NULL) THEN
        RAISE EXCEPTION '% is a SKU and a former SKU at once', NEW.sku
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'skus_have_one_meaning';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER products_are_no_former_skus AFTER INSERT OR UPDATE OF sku ON products
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_a_sku_to_have_one_meaning();
CREATE CONSTRAINT TRIGGER former_skus_are_no_products AFTER INSERT OR UPDATE ON former_skus
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_a_sku_to_have_one_meaning();
"""


def upgrade() -> None:
    for part in (TABLE, TWINS, ONE_MEANING):
        op.execute(part)


downgrade = no_way_back
