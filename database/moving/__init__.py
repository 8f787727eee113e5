"""Moving a warehouse with all of its rows to another database (ADR 0085). It acts as the owner of the tables."""
