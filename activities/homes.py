"""The question for the directory of several databases. It locks nothing and changes nothing."""

from temporalio import activity

from activities.writes import OnDatabase, database_errors, page_of
from database.homes import read_homes, read_version
from stockkeeper.contracts.homes import HOMES_AT_ONCE, HomeActivities, HomeShown, HomesPage, ShowHomes


class Homes(OnDatabase, HomeActivities):
    """`HomeActivities` on PostgreSQL."""

    @activity.defn(name="show_homes", no_thread_cancel_exception=True)
    def show_homes(self, question: ShowHomes) -> HomesPage:
        """A page of warehouses, each with the task queue of the database that keeps it."""
        with database_errors(), self._database.snapshot() as connection:
            version = read_version(connection)
            if question.unless == version:
                return HomesPage(homes=[], more=False, version=version)
            rows = read_homes(connection, question.after or 0, HOMES_AT_ONCE + 1)
        homes, more = page_of(HomeShown, rows, HOMES_AT_ONCE)
        return HomesPage(homes=homes, more=more, version=version)
