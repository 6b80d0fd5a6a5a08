"""What the documentation's tables are measured with. From the repository's root: `python -m benchmarks.path_cost`."""
