"""The command line, and how stacks and runs are started from it."""
