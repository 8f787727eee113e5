"""The command line: tables and colour for people, ``--json`` for programs."""
