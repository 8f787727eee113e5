"""The embedded PostgreSQL and Temporal dev server, brought up for real."""
