"""The processes in time: deadlines by time skipping, and races at them."""
