"""Names of the catalogue differ by more than upper and lower case."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

serves_older_workers = False

# Not unique: a database may have such twins from before, which go on being found by their exact names.
INDEXES = """
CREATE INDEX products_sku_in_any_case ON products (lower(sku));
CREATE INDEX warehouses_name_in_any_case ON warehouses (lower(name));
CREATE INDEX suppliers_name_in_any_case ON suppliers (lower(name));
"""

TWINS = """
CREATE FUNCTION refuse_a_twin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    name text := to_jsonb(NEW) ->> TG_ARGV[0];
    twin text;
BEGIN
    EXECUTE format('SELECT %1$I FROM %2$I WHERE lower(%1$I) = lower($1) AND %1$I <> $1 LIMIT 1',
        TG_ARGV[0], TG_TABLE_NAME) INTO twin USING name;
    IF twin IS NOT NULL THEN
        RAISE EXCEPTION '% differs from % by upper and lower case alone', name, twin
            USING ERRCODE = 'unique_violation', CONSTRAINT = TG_TABLE_NAME || '_have_no_twins';
    END IF;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER products_have_no_twins BEFORE INSERT OR UPDATE OF sku ON products
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('sku');
CREATE TRIGGER warehouses_have_no_twins BEFORE INSERT OR UPDATE OF name ON warehouses
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('name');
CREATE TRIGGER suppliers_have_no_twins BEFORE INSERT OR UPDATE OF name ON suppliers
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('name');
"""


def upgrade() -> None:
    for part in (INDEXES, TWINS, TRIGGERS):
        op.execute(part)


downgrade = no_way_back
