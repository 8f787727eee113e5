"""The console, from outside: by requests, and in a real browser."""
