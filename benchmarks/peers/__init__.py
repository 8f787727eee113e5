"""The peers of `benchmarks.ten_units`: what each is called by, and how its own documentation says to."""
