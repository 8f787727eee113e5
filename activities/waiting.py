"""The question who waits for stock. It locks nothing and changes nothing."""

from datetime import UTC, datetime

from temporalio import activity

from activities.order_promising import days_of_waits
from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors
from database.waiting_looks import listed
from stockkeeper.contracts.stock import FindItems
from stockkeeper.contracts.waiting import WAITING_AT_ONCE, ShowWaiting, WaitingActivities, WaitingPage, WaitingShown


class WaitingQuestions(OnDatabase, WaitingActivities):
    """`WaitingActivities` on PostgreSQL."""

    @activity.defn(name="show_waiting", no_thread_cancel_exception=True)
    def show_waiting(self, question: ShowWaiting) -> WaitingPage:
        """One page of orders that wait, the first first, each with all that it waits for.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        wanted = StockQuestions(self._database).find_items(
            FindItems(
                products=[question.product] if question.product else [],
                warehouses=[question.warehouse] if question.warehouse else [],
            )
        )
        products, places = set(wanted.products.values()), {None, *wanted.warehouses.values()}
        with database_errors(), self._database.snapshot() as connection:
            as_of = datetime.now(UTC)
            waiting = listed(connection, as_of)
            meant = [
                each
                for each in waiting
                if (question.after is None or each["wait_id"] > question.after)
                and (not products or each["product_id"] in products)
                and (not question.warehouse or each["warehouse_id"] in places)
            ]
            # An order isn't cut in two.
            last = meant[min(len(meant), WAITING_AT_ONCE) - 1]["wait_id"] if meant else 0
            page = [each for each in meant if each["wait_id"] <= last]
            of_waits: dict[int, set[int]] = {each["wait_id"]: set() for each in page}
            for each in waiting:
                if each["wait_id"] in of_waits:
                    of_waits[each["wait_id"]].add(each["product_id"])
            days = days_of_waits(connection, of_waits, as_of)
        lines = [WaitingShown.model_validate({**each, "available_on": days.get(each["wait_id"])}) for each in page]
        return WaitingPage(lines=lines, more=len(lines) < len(meant))
