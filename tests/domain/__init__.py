"""The rules, a thousand times a second."""
