"""The question who waits for stock. It locks nothing and changes nothing."""

from datetime import UTC, datetime

from temporalio import activity

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
            waiting = listed(connection, datetime.now(UTC))
        meant = [
            WaitingShown.model_validate(each)
            for each in waiting
            if (question.after is None or each["wait_id"] > question.after)
            and (not products or each["product_id"] in products)
            and (not question.warehouse or each["warehouse_id"] in places)
        ]
        # An order isn't cut in two.
        page = [each for each in meant if each.wait_id <= meant[min(len(meant), WAITING_AT_ONCE) - 1].wait_id]
        return WaitingPage(lines=page, more=len(page) < len(meant))
