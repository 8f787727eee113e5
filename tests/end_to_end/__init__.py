"""What a service sees that knows only the wire contract."""
