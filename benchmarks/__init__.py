"""What it costs, in numbers: `python -m benchmarks` runs every module here and prints one table."""
