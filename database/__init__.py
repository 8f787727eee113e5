"""PostgreSQL: tables, sessions, locks, the ledger, and the operations that make every effect happen once."""
