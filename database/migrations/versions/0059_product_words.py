"""Products are found by the words of their SKU and name."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

# An index changes nothing for them.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        CREATE INDEX products_words ON products USING gin (to_tsvector('simple',
            translate(sku || ' ' || name, '-_/.:<>&@+', '          ')))
    """)


downgrade = no_way_back
