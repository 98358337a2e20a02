"""Exceptions: the program's errors with the same words, one class for each of its exit codes."""

from __future__ import annotations

from collections.abc import Sequence


class Error(Exception):
    """Something went wrong: what, where, and what to do.

    Attributes:
        exit_code: what the program `quanci` would end with.
        problems: the problems one by one, where there are several.
    """

    exit_code: int = 1
    problems: list[str]

    def __init__(self, message: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems) or [message]


class SettingsError(Error, ValueError):
    """The settings or arguments are wrong. All problems are told at once, each with its key (exit code 2)."""

    exit_code = 2


class InputOutputError(Error):
    """An input, a data set or an output cannot be used: missing, damaged, somebody else's (exit code 3)."""

    exit_code = 3


class TooManyRejects(Error):
    """More records could not be read than `max_reject_percent` allows (exit code 4)."""

    exit_code = 4


class RetryError(Error):
    """Failed for a reason that may pass, such as a network: another attempt is worth while (exit code 75)."""

    exit_code = 75


class Warning(UserWarning):  # noqa: A001 - quanci.Warning, as the program calls it
    """Something that may not be meant; the program prints it after `warning:`."""


_CLASSES: tuple[type[Error], ...] = (SettingsError, InputOutputError, TooManyRejects, RetryError)


def of_exit_code(code: int, message: str, problems: Sequence[str]) -> BaseException:
    """The exception for an error of the program. A signal's (128 and more) is `KeyboardInterrupt`."""
    if code > 128:
        return KeyboardInterrupt(message)
    for kind in _CLASSES:
        if kind.exit_code == code:
            return kind(message, problems)
    return Error(message, problems)
