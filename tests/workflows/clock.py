"""The clock of a time-skipping server: it goes as fast as a test asks it to."""

from datetime import datetime, timedelta

from temporalio.testing import WorkflowEnvironment

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
"""How much sooner than a deadline a test looks: meanwhile the clock goes on, and a busy machine takes its time."""
MOMENT = timedelta(seconds=10)
"""How late a timer may be: the clock goes on while a busy machine fires it."""


class Clock:
    """The clock, to be read and to be moved on."""

    def __init__(self, environment: WorkflowEnvironment) -> None:
        self.environment = environment

    async def now(self) -> datetime:
        """The server's time."""
        return await self.environment.get_current_time()

    async def go_to(self, instant: datetime) -> None:
        """Move the clock on."""
        await self.environment.sleep(instant - await self.now())
