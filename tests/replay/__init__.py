"""Recorded runs, which every later version of the code must still understand."""
