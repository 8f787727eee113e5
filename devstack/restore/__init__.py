"""After a restore: what database and Temporal know of each other, and how each is brought to what the other knows."""
