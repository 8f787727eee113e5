"""What the audit checks of a customer return, beside its movements: each line against its inspections."""

from database.audit import lines_are_their_receipts
from database.customer_return import INSPECTIONS, RETURN

RULES = (lines_are_their_receipts(RETURN, INSPECTIONS),)
