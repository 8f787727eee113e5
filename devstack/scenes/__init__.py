"""What the demo shows: a file for each process."""
