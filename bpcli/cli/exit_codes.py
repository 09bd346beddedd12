"""What the program's exit code says."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """`docs/commands.md` tells people the same."""

    OK = 0
    PROBLEMS = 1  # the check found some
    USAGE = 2  # wrong usage, spec, data or layers file
    NON_FINITE = 3  # training stopped on a value that is not finite
    INCONCLUSIVE = 4  # a gradient check could not tell
    WRITE = 5  # something could not be written
    BUG = 70  # of bpcli itself; as in BSD's sysexits
    INTERRUPTED = 130  # 128 + SIGINT: Ctrl-C
    BROKEN_PIPE = 141  # 128 + SIGPIPE: nobody reads the results any more
    TERMINATED = 143  # 128 + SIGTERM
