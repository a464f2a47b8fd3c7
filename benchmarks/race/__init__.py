"""What the benchmarks share: options, the machine, English text, rounds, contestants."""
