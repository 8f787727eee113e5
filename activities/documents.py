"""Questions about documents of any kind, answered from their rows. They lock nothing and change nothing.

The list of a kind is ``LIST`` in its room of the database, the state of one document ``show`` in its module here.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, cast

from sqlalchemy import Connection
from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors
from database.document_list import Listed, Lists, Which
from stockkeeper.contracts.documents import (
    DocumentActivities,
    DocumentListed,
    DocumentShown,
    DocumentsListed,
    ListDocuments,
    ListedTogether,
    ListTogether,
    ShowDocument,
)
from stockkeeper.contracts.messages import State, money
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.contracts.search_attributes import keywords
from stockkeeper.contracts.stock import FindItems

Show = Callable[[Connection, str, datetime], State | None]
"""The state of one document by its number, at an instant; None: nothing is stored by that number."""

_PAGE_BYTES = 1024 * 1024
"""Temporal refuses an answer above 2 MiB, at every attempt."""

LISTS: dict[str, Lists] = {kind: import_module(f"database.{kind}").LIST for kind in DOCUMENTS}
SHOWN: dict[str, Show] = {kind: cast("Show", import_module(f"activities.{kind}").show) for kind in DOCUMENTS}


class DocumentQuestions(OnDatabase, DocumentActivities):
    """`DocumentActivities` on PostgreSQL."""

    @activity.defn(name="list_documents", no_thread_cancel_exception=True)
    def list_documents(self, question: ListDocuments) -> DocumentsListed:
        """One page of documents of one kind, the latest first.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        wanted = StockQuestions(self._database).find_items(
            FindItems(
                products=[question.product] if question.product else [],
                warehouses=[question.warehouse] if question.warehouse else [],
            )
        )
        which = Which(
            most=question.limit + 1,
            as_of=question.as_of or datetime.now(UTC),
            status=question.status,
            product_id=next(iter(wanted.products.values()), None),
            warehouse_id=next(iter(wanted.warehouses.values()), None),
            numbers=question.numbers,
            before=question.before,
        )
        with database_errors(), self._database.snapshot() as connection:
            found = LISTS[question.kind].page(connection, which)
        page: list[DocumentListed] = []
        room = _PAGE_BYTES
        for each in found[: question.limit]:
            row = _listed(each)
            room -= len(row.model_dump_json().encode())
            if page and room < 0:
                break
            page.append(row)
        return DocumentsListed(documents=page, more=len(found) > len(page))

    @activity.defn(name="list_together", no_thread_cancel_exception=True)
    def list_together(self, question: ListTogether) -> ListedTogether:
        """The first page of several lists, as many as an answer has room for; raises as `list_documents`."""
        pages: list[DocumentsListed | None] = []
        room = _PAGE_BYTES
        for each in question.lists:
            page = self.list_documents(each) if room > 0 else None
            if page is not None:
                room -= len(page.model_dump_json().encode())
            # A page has at most as much as an answer has room for, so the first one always fits.
            pages.append(page if room > 0 or not any(pages) else None)
        return ListedTogether(pages=pages)

    @activity.defn(name="show_document", no_thread_cancel_exception=True)
    def show_document(self, question: ShowDocument) -> DocumentShown:
        """The state of one document, by its number."""
        with database_errors(), self._database.snapshot() as connection:
            state = SHOWN[question.kind](connection, question.number, question.as_of or datetime.now(UTC))
            if state is None:
                return DocumentShown(state=None, alike=LISTS[question.kind].alike(connection, question.number))
        return DocumentShown(state=state.model_dump(mode="json"))


def _listed(found: Listed) -> DocumentListed:
    memo = {name: _plain(value) for name, value in found.facts.items()}
    return DocumentListed(**found._asdict() | {"skus": keywords(found.skus), "memo": memo})


def _plain(value: Any) -> Any:
    """A value as the memo of a run has it."""
    if isinstance(value, Decimal):
        return money(value)
    return value.isoformat() if isinstance(value, datetime) else value
