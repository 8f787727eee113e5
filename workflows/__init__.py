"""The processes: orchestration only. Whatever reads a clock, a file or a database is an activity."""
