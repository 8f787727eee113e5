"""What the tests share: callers of the wire, books, tampering, and steps of activities."""
