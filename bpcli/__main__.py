"""The program: ``bpcli`` and ``python -m bpcli``."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the command line; returns the exit code."""
    try:
        from bpcli.process import prepare

        prepare()  # before anything imports NumPy
        from bpcli.cli.run import run
    except KeyboardInterrupt:
        return 130  # as `bpcli.cli.exit_codes` has it, which may not be there yet

    return run()


if __name__ == "__main__":
    sys.exit(main())
