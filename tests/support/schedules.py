"""The namespace's schedules. No test may leave one behind: it would order in the middle of another."""

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

SCHEDULES = [
    "reorder-hourly",
    "replenishment-plan-daily",
    "cycle-count-daily",
    "lot-expiry-hourly",
    "stock-audit-nightly",
]
NOBODY = "nobody-works-here"
"""A task queue: what a schedule begins there, begins and waits."""


async def forget_schedules(client: Client) -> None:
    """There are none, whoever has made them."""
    for name in SCHEDULES:
        try:
            await client.get_schedule_handle(name).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
