"""Simulated clients, a file for each kind of process."""
