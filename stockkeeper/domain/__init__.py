"""The rules of stock, without I/O and without a clock: given the same facts, always the same answer."""
