"""`make bench`: each file measures one thing and prints a table for docs/benchmarks.md."""
