"""What crosses Temporal: messages, states, names, ids, errors, and the interfaces of the activities.

`CONTRACT` in the documentation is this package in words; `schema.json` is it for other languages.
"""
