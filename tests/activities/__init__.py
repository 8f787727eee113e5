"""The writes, on PostgreSQL, without Temporal."""
