"""Generated payloads to everything that takes one, and a judge of what comes of each.

`cases` makes them from a seed: messages by `stockkeeper/contracts/schema.json` (`values`), spoilt ones, and bytes that
aren't messages at all (`spoiled`). `lanes` sends each to a start, a signal, an update, a query or a question, and
`judge` says whether what came of it is in the contract. `python -m tests.faults.fuzz` sends ten thousand.
"""
