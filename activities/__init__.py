"""What the workflows let happen in the database: one transaction a call, rows locked, effect once."""
