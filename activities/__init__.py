"""Activities: the steps of workflows in the database, one transaction a call, rows locked, effect once."""
