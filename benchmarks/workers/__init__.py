"""Scripts that the benchmarks start as processes of their own: one JSON line in, one run, one line out."""
