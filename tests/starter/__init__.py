"""The client's side alone: nothing is sent."""
