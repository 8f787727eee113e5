"""`python -m starter` is `stockkeeper`."""

from starter.cli.main import main

main()
