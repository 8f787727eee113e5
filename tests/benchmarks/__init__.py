"""What the benchmarks say, without running them."""
