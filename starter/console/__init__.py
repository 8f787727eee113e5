"""The console: pages for people who approve, receive, count and look, and who have never heard of Temporal.

It is a client as any other: commands go through `stockkeeper.client`, reads through the questions. Its pages are made
on the server; scripts and styles are its own files.
"""
