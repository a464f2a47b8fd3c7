"""What the benchmarks share: options, the machine, English text, alternating rounds, contestants."""
