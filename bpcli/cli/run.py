"""Runs a command, and turns however it ends into an exit code: the only place that does."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

import click
from click.shell_completion import shell_complete

from bpcli.cli.environment import Environment
from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.group import group
from bpcli.errors import BpcliError, SpecError
from bpcli.report.text import printable

NAME = "bpcli"
_COMPLETE = "_BPCLI_COMPLETE"
_NOT_WRITTEN = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF)  # click prints its help itself
# pathlib asks the system about a name that cannot be one, or that is nobody else's business
_NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM)
_NO_MORE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)  # of files, processes, memory


def run(arguments: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Runs the command line with these arguments, those of the process unless given.

    A command returns None or an ExitCode. Nothing is raised, and nothing ends the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    environment = environment or Environment.of_process()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they speak to programmers
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(group, {}, NAME, _COMPLETE, instruction)
    try:
        return _invoke(list(arguments), environment)
    except click.ClickException as error:
        error.show(environment.stderr)
        return ExitCode.USAGE
    except BpcliError as error:
        _drop_what_cannot_be_written()
        environment.write_message(_explain(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        environment.write_message("\ninterrupted\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return ExitCode.BROKEN_PIPE
    except MemoryError as error:
        environment.write_message(_out_of_memory(error))
        return ExitCode.USAGE
    except OSError as error:
        return _refused(error, environment)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.PROBLEMS
    except Exception as error:
        if _by_interrupt(error):
            environment.write_message("\ninterrupted\n")
            return ExitCode.INTERRUPTED
        own = _in_layers_file(error)
        environment.write_message(_explain(own) if own else _bug(error, environment))
        return own.exit_code if own else ExitCode.BUG


def _invoke(arguments: list[str], environment: Environment) -> int:
    try:
        with group.make_context(NAME, arguments, obj=environment) as context:
            code = group.invoke(context)
    except click.exceptions.Exit as end:  # --help and --version
        code = end.exit_code
    if environment.stdout is not None:
        environment.write_result("")  # what click wrote may wait in the buffer
    return int(code or ExitCode.OK)


def _explain(error: BpcliError) -> str:
    if not isinstance(error, SpecError):
        return f"Error: {printable(str(error))}\n"
    lines = [printable(str(problem)) for problem in error.problems]
    count = len(lines)
    lines.append(f"{count} problem{'s' * (count > 1)}, nothing was started")
    return "".join(f"{line}\n" for line in lines)


def _in_layers_file(error: Exception) -> BpcliError | None:
    """The same as an error for people, if it arose in code of the user's own."""
    if "bpcli.layers_file" not in sys.modules:
        return None
    from bpcli.layers_file import explanation

    return explanation(error)


def _by_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind it: where it comes while a class is made, Python up to 3.11 raises a
    RuntimeError for it, and NumPy an ImportError while it is imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _out_of_memory(error: MemoryError) -> str:
    reason = f": {error}" if str(error) else ""
    return (
        f"Error: this machine has not enough memory{reason}; a smaller batch_size or network "
        "needs less\n"
    )


def _refused(error: OSError, environment: Environment) -> ExitCode:
    """What the system would not do, where nothing nearer to it could say more."""
    if error.errno in _NOT_WRITTEN:
        _drop_what_cannot_be_written()
        environment.write_message(f"Error: could not write the results: {error.strerror}\n")
        return ExitCode.WRITE
    if error.errno not in (*_NO_NAME, *_NO_MORE):
        environment.write_message(_bug(error, environment))
        return ExitCode.BUG
    name = f"{printable(str(error.filename)):.200}: " if error.filename is not None else ""
    environment.write_message(f"Error: {name}{error.strerror}\n")
    return ExitCode.WRITE if error.errno in _NO_MORE else ExitCode.USAGE


def _bug(error: Exception, environment: Environment) -> str:
    import traceback

    if environment.wants_traceback:
        return "".join(traceback.format_exception(error))
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = printable(str(error)) or "no message"
    return (
        f"Error: a bug in bpcli: {type(error).__name__}: {message} "
        f"({os.path.basename(last.filename)}:{last.lineno})\n"
        "Please report it where you have bpcli from, with the command and what it prints with "
        "BPCLI_TRACEBACK=1 set.\n"
    )


def _drop_what_cannot_be_written() -> None:
    """What waits for a full disk would make Python's own flush at its end fail once more."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        _silence_stdout()


def _silence_stdout() -> None:
    """So that Python's own flush at its end does not fail once more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
