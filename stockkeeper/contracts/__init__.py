"""What crosses Temporal: messages, states, names, ids, errors, and the interfaces of the activities.

`docs/processes` describes the messages in words, a page for each process; `schema.json` has them for other languages.
"""
