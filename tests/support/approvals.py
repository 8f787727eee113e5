"""Approval policies by the number of approvals, whatever the total."""

from tests.support.wire import Json

TWO_APPROVALS: dict[str, Json] = {
    "tiers": [{"up_to": None, "approvals": 2}],
    "remind_after_hours": 24,
    "escalate_after_hours": 48,
    "cancel_after_hours": 72,
}
ONE_APPROVAL = TWO_APPROVALS | {"tiers": [{"up_to": None, "approvals": 1}]}
NO_APPROVAL = TWO_APPROVALS | {"tiers": [{"up_to": None, "approvals": 0}]}
