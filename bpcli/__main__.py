"""The program: ``bpcli`` and ``python -m bpcli``."""

from __future__ import annotations

import sys

from bpcli.process import prepare


def main() -> int:
    """Runs the command line; returns the exit code."""
    prepare()  # before anything imports NumPy
    from bpcli.cli.run import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
