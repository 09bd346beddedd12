"""`bpcli trace`: the chain rule on one example, as plain data and then as text."""

from bpcli.report.trace.document import After, Equation, Section, Trace
from bpcli.report.trace.trace import trace

__all__ = ["After", "Equation", "Section", "Trace", "trace"]
