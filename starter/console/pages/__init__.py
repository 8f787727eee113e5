"""The pages, a module for each: its ``routes`` with the roles that they need, and what they show."""
