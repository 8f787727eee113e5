"""Differences of documents above the limit are approved by another person than the one who books them."""

from alembic import op

from database.migrations.common import no_way_back

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

serves_older_workers = False

APPROVALS = """
-- How much of a difference a document may have: a person's approval, given before it is booked.
CREATE TABLE difference_approvals (
    approval_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_type   text NOT NULL,
    document_number text NOT NULL,
    approver        text NOT NULL,
    up_to_value     numeric(38, 6) NOT NULL CHECK (up_to_value >= 0),
    up_to_units     bigint NOT NULL CHECK (up_to_units >= 0),
    note            text,
    approved_at     timestamptz NOT NULL,
    operation_id    text NOT NULL,
    CONSTRAINT difference_approvals_once UNIQUE (operation_id),
    CONSTRAINT difference_approvals_booked_by UNIQUE (approval_id, approver, up_to_value, up_to_units)
);
CREATE INDEX difference_approvals_of ON difference_approvals (document_type, document_number);

-- What was booked by it: by another person, and no more than was approved.
CREATE TABLE approved_differences (
    operation_id   text PRIMARY KEY,
    approval_id    bigint NOT NULL,
    approver       text NOT NULL,
    up_to_value    numeric(38, 6) NOT NULL,
    up_to_units    bigint NOT NULL,
    value          numeric(38, 6) NOT NULL CHECK (value >= 0),
    unvalued_units bigint NOT NULL CHECK (unvalued_units >= 0),
    performed_by   text NOT NULL,
    booked_at      timestamptz NOT NULL,
    CONSTRAINT approved_differences_within FOREIGN KEY (approval_id, approver, up_to_value, up_to_units)
        REFERENCES difference_approvals (approval_id, approver, up_to_value, up_to_units),
    CONSTRAINT approved_differences_not_own CHECK (is_approved(1, ARRAY[approver], ARRAY[performed_by])),
    CONSTRAINT approved_differences_no_more CHECK (value <= up_to_value AND unvalued_units <= up_to_units)
);
GRANT SELECT, INSERT ON difference_approvals, approved_differences TO stockkeeper_worker;
"""


def upgrade() -> None:
    op.execute(APPROVALS)


downgrade = no_way_back
