"""Facts about Temporal, PostgreSQL and libraries that the code depends on: `docs/relied-on.md`, each tried for real."""
