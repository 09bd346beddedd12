"""How long a training step takes, where the time goes, and what the machine could do."""

from bpcli.benchmark.benchmark import Benchmark, benchmark

__all__ = ["Benchmark", "benchmark"]
