"""Plans that follow trend and season: what the mean was multiplied with, and why."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# A worker of the revision before plans from the mean.
serves_older_workers = True

PLANS = """
ALTER TABLE item_plans
    -- NULL in all three: by the mean.
    ADD COLUMN forecast text CHECK (forecast IN ('trend', 'season', 'trend_and_season')),
    ADD COLUMN forecast_factor double precision CHECK (forecast_factor > 0),
    -- Squared error of forecasts over the last year, as a part of the mean's.
    ADD COLUMN forecast_error double precision CHECK (forecast_error BETWEEN 0 AND 1);
"""


def upgrade() -> None:
    op.execute(PLANS)


downgrade = no_way_back
