"""The difference of a document in a step: refused above the limit, unless another person has approved that much."""

from datetime import datetime

from sqlalchemy import Connection

from activities.writes import OnDatabase
from database.differences import difference_approvals_of, insert_approved_difference, insert_difference_approval
from database.document import Document
from database.operations import Operation
from database.sessions import Database
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.difference import DifferenceFields
from stockkeeper.domain.difference import approval_of_difference
from stockkeeper.domain.inspection import DEFAULT_GOODS, GoodsPolicy
from stockkeeper.domain.transitions import titled
from stockkeeper.domain.worth import Limit, Worth


class WithLimit(OnDatabase):
    """Activities of a document that may have a difference.

    Args:
        database: The database.
        limits: The worth up to which one person books it alone.
    """

    def __init__(self, database: Database, limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT) -> None:
        super().__init__(database)
        self._limits = limits
        self._limit = limits.as_limit


class WithGoods(WithLimit):
    """Steps by which goods come that may have to be inspected.

    Args:
        database: The database.
        limits: Value and units up to which one person decides; and the hours of inspections.
        goods: What becomes of goods that may not be promised at once.
    """

    def __init__(
        self, database: Database, limits: AdjustmentPolicy = DEFAULT_ADJUSTMENT, goods: GoodsPolicy = DEFAULT_GOODS
    ) -> None:
        super().__init__(database, limits)
        self._goods = goods


def require_difference_approved(
    connection: Connection,
    operation: Operation,
    document: Document,
    number: str,
    what: str,
    worth: Worth,
    limit: Limit,
    as_of: datetime,
) -> None:
    """Refuse a difference above the limit without another person's approval; record the use of an approval.

    The caller has locked the document.

    Args:
        connection: The transaction.
        operation: The step that books it, and its person.
        document: The kind of document.
        number: Its number.
        what: What makes the difference, in words.
        worth: Its worth, with what the document has made or lost before.
        limit: The limit.
        as_of: The workflow's time.

    Raises:
        NotPermitted: With the worth and the limit.
    """
    given = difference_approvals_of(connection, document, number)
    named = titled(document.name, number)
    approval = approval_of_difference(named, what, worth, limit, operation.performed_by, given)
    if approval is not None:
        insert_approved_difference(connection, operation, approval, worth, as_of)


def store_difference_approval(
    connection: Connection,
    operation: Operation,
    document: Document,
    number: str,
    step: DifferenceFields,
    as_of: datetime,
) -> None:
    """Store a person's approval of a document's difference. The caller has locked the document."""
    up_to = Worth(step.value, step.unvalued_units)
    insert_difference_approval(connection, operation, document, number, up_to, step.note, as_of)
