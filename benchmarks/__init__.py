"""Benchmarks: their subjects and their results are in README.md here."""
