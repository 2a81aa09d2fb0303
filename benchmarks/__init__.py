"""Benchmarks of a stack on the local cloud. Each module's `run` gives one table; `make bench` runs them all."""
