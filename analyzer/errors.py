"""Every error raised on purpose, as one tree.

    OutgateError
    ├── UsageError                 2   a command cannot be followed
    │   ├── ConfigError            2   an option or a setting has a value that makes no sense
    │   │   └── RulesetError       2   rule data cannot be used: file, table, key, what is wrong
    │   └── UnknownRuleError       2   no rule has the id that was asked for
    ├── CaptureUnreadable          3   an input is not what it claims to be
    ├── StoreError                 2   the store cannot do what was asked
    │   ├── NotFoundError          2   it holds no such thing
    │   ├── ConflictError          2   the thing is in a state that does not allow it
    │   │   └── StaleVersionError  2   somebody else changed the thing in between
    │   ├── LimitError             2   a bound of the service would be passed
    │   └── StoreUnavailable       2   the database or the disk refuses: full, locked, gone
    └── ToolMissingError           2   another program is needed and is not installed

Each carries the exit status of the command line (2 wrong usage or configuration, 3 an input that
could not be read) and prints as one line that begins with "cannot". A `hint`, where there is one,
says what to do next and is printed on a line of its own. Text that came from outside (paths, rule
data) is stripped of control characters, so that an error can be printed anywhere.
"""

from __future__ import annotations

from typing import ClassVar

_MESSAGE_MAX_CHARS = 2000
_NAME_MAX_CHARS = 100


class OutgateError(Exception):
    """Something that cannot be done, said in one line.

    Args:
        message: What cannot be done, to what, where and why: lower case, no full stop.
        hint: What the user can do about it, or "".
    """

    exit_status: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = _one_line(message)
        self.hint = _one_line(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    def lines(self) -> list[str]:
        """The message and, if there is one, the hint: one line each."""
        return [self.message, f"hint: {self.hint}"] if self.hint else [self.message]


class UsageError(OutgateError):
    """A command that cannot be followed."""


class ConfigError(UsageError):
    """An option or a setting with a value that makes no sense."""


class RulesetError(ConfigError):
    """Rule data that cannot be used.

    Args:
        file: The rule file, as the user knows it.
        where: The table and key inside it, such as `pool[2].domains[0]`, or "" for the whole file.
        problem: What is wrong with it.
        hint: What would be right, or "".
    """

    def __init__(self, file: str, where: str, problem: str, hint: str = "") -> None:
        self.file = file
        self.where = where
        self.problem = problem
        place = f"{file} at {where}" if where else file
        super().__init__(f"cannot use rules in {place}: {problem}", hint=hint)


class UnknownRuleError(UsageError):
    """No rule has the id that was asked for.

    Args:
        rule_id: The id as it was given.
        near: Ids that look like it.
    """

    def __init__(self, rule_id: str, near: tuple[str, ...] = ()) -> None:
        self.rule_id = rule_id
        hint = f"did you mean {', '.join(near)}" if near else "`outgate rules list` shows all ids"
        super().__init__(f"cannot find a rule with the id {rule_id}", hint=hint)


class CaptureUnreadable(OutgateError):  # noqa: N818 - it names the state of the file
    """An input that cannot be read as what it claims to be.

    Args:
        path: The input, as the user gave it.
        offset: Where in it reading stopped, in bytes.
        reason: What was found there.
        hint: What the user can do about it, or "".
    """

    exit_status: ClassVar[int] = 3

    def __init__(self, path: str, offset: int, reason: str, *, hint: str = "") -> None:
        self.path = path
        self.offset = offset
        self.reason = reason
        # At the very beginning the place says nothing: the file was not opened, or is no capture.
        place = f"{path} at byte {offset}" if offset else path
        super().__init__(f"cannot read {place}: {reason}", hint=hint)


class StoreError(OutgateError):
    """Something the store cannot do."""


class NotFoundError(StoreError):
    """The store holds no such thing.

    Args:
        kind: What was looked for: "capture", "finding".
        name: The id as it was given.
        hint: Where ids are listed, or "".
    """

    def __init__(self, kind: str, name: str, *, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"cannot find a {kind} with the id {name[:_NAME_MAX_CHARS]}", hint=hint)


class ConflictError(StoreError):
    """The thing is in a state that does not allow what was asked."""


class StaleVersionError(ConflictError):
    """Somebody else changed the thing since it was read.

    Args:
        kind: What was to be changed: "finding".
        name: Its id.
        expected: The version the caller knew.
        actual: The version it has now.
    """

    def __init__(self, kind: str, name: str, *, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"cannot change {kind} {name}: version {expected} was read, it is now at {actual}",
            hint="read it again, look at what changed, and repeat the change",
        )


class LimitError(StoreError):
    """A bound of the service would be passed; the message names it."""


class StoreUnavailable(StoreError):  # noqa: N818 - it names the state of the store
    """The database or the disk refuses: full, locked by another service, not reachable."""


class ToolMissingError(OutgateError):
    """Another program is needed and is not installed.

    Args:
        tool: The program's name.
        purpose: What it is needed for, as a verb: "dissect frames".
        hint: How to install it.
    """

    def __init__(self, tool: str, purpose: str, *, hint: str = "") -> None:
        self.tool = tool
        super().__init__(f"cannot {purpose}: {tool} is not installed", hint=hint)


def _one_line(text: str) -> str:
    bounded = text[:_MESSAGE_MAX_CHARS]
    return "".join(char if char.isprintable() else "?" for char in bounded)
