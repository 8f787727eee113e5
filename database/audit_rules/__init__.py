"""The audit's rules for each kind of document, one module per process: `RULES` of ``database.audit_rules.{kind}``.

That a document and its movements agree isn't among them: the views `audited_documents` and `documents_say` state what
each document has moved, and one query compares them all. `database.stock_audit` has the form of a rule.
"""
