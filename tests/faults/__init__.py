"""Workers that die, a database that goes away: one effect, and an answer in the end."""
