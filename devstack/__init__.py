"""The embedded PostgreSQL and Temporal dev server, for `up`, `demo` and the tests alike."""
