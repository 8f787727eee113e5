"""What stock, documents and runs have to be, worked out from the contract alone.

Plain Python on numbers and dictionaries, written from the contract and the pages of the processes. It imports nothing
of the product: what both know they know for two reasons.
"""
