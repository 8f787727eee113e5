"""Audit rules of a customer return, beside the comparison of its movements: each line against its inspections."""

from database.customer_return import INSPECTIONS, RETURN
from database.stock_audit import lines_are_their_receipts

RULES = (lines_are_their_receipts(RETURN, INSPECTIONS),)
