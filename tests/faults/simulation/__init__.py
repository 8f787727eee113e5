"""Everything at once, for long, from a seed: simulated clients, an independent model, and faults.

`docs/simulation.md` says how it works, and how to add a client.
"""
