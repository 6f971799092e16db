"""Turns TOML text into checked values: types, ranges, patterns, unknown keys.

Every complaint names the file, the table by its number from 0, the key, what is wrong and what
would be right. What a value means (`kinds.py`) is not known here; what it may be is (`spec.py`).
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from analyzer.errors import RulesetError
from analyzer.ruleset.kinds import NameRule
from analyzer.ruleset.spec import NAME_FIELDS, TABLES, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"(?:\*\.)*(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{1,62}")

MAX_FILE_BYTES = 1_000_000
"""Larger than any rule file has reason to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table whose values have been checked.

    `values` holds `str`, `int`, `float`, `bool`, `date`, networks, bytes (`hex`), tuples of text
    (`texts`) or of `NameRule` (`names`), or tuples of `Table`.
    """

    kind: str
    file: str
    where: str
    values: Mapping[str, Any]

    def tables(self, key: str) -> tuple[Table, ...]:
        """The tables under a key, () where there is none."""
        found: tuple[Table, ...] = self.values.get(key, ())
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts under a key, () where there is none."""
        found: tuple[str, ...] = self.values.get(key, ())
        return found

    def error(self, key: str, problem: str, hint: str = "") -> RulesetError:
        """A complaint about one key of this table."""
        return RulesetError(self.file, f"{self.where}.{key}", problem, hint)


def read_tables(file: str, text: str, allowed: frozenset[str]) -> Iterator[Table]:
    """The checked tables of one file, in the order written.

    Args:
        file: The file as the user knows it.
        text: Its content.
        allowed: Which kinds of table it may hold.

    Raises:
        RulesetError: The text is no TOML, or a table or value is not what it must be.
    """
    if len(text) > MAX_FILE_BYTES:
        raise RulesetError(file, "", f"the file is larger than {MAX_FILE_BYTES} bytes")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesetError(
            file, "", f"no valid TOML: {error}", "values of text are in quotes"
        ) from error
    for kind, tables in document.items():
        if kind not in allowed:
            raise RulesetError(file, kind, "unknown table", f"expected {_listing(allowed)}")
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise RulesetError(file, kind, "not an array of tables", f"write [[{kind}]]")
        for index, raw in enumerate(tables):
            yield _table(file, f"{kind}[{index}]", kind, raw, TABLES[kind])


def _table(
    file: str, where: str, kind: str, raw: dict[str, Any], fields: dict[str, Field]
) -> Table:
    for key in raw:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]}" if near else f"known keys: {_listing(fields)}"
            raise RulesetError(file, f"{where}.{key}", "unknown key", hint)
    for key, field in fields.items():
        if field.required and key not in raw:
            raise RulesetError(file, where, f"{key} is missing", field.about)
    values = {key: _value(file, f"{where}.{key}", fields[key], raw[key]) for key in raw}
    return Table(kind=kind, file=file, where=where, values=values)


def _value(file: str, where: str, field: Field, raw: object) -> object:
    if field.type in _SCALARS:
        return _SCALARS[field.type](file, where, field, raw)
    items = enumerate(_list(file, where, raw))
    return tuple(_item(file, f"{where}[{index}]", field, item) for index, item in items)


def _item(file: str, where: str, field: Field, raw: object) -> object:
    if field.type == "texts":
        return _text(file, where, field, raw)
    if field.type == "names":
        return _name(file, where, raw)
    return _table(file, where, "", _dict(file, where, raw), field.fields or {})


def _text(file: str, where: str, field: Field, raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise RulesetError(file, where, "not a text, or an empty one", field.about)
    if field.choices and raw not in field.choices:
        raise RulesetError(
            file, where, f"{raw!r} is not known", f"one of {_listing(field.choices)}"
        )
    if field.pattern and not _compiled(field.pattern).fullmatch(raw):
        raise RulesetError(
            file, where, f"{raw!r} has the wrong form", f"it must match {field.pattern}"
        )
    return raw


def _number(file: str, where: str, field: Field, raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise RulesetError(file, where, "not a number", field.about)
    if field.type == "integer" and not isinstance(raw, int):
        raise RulesetError(file, where, f"{raw} is not a whole number", field.about)
    if not field.lowest <= raw <= field.highest:
        bounds = f"it must be {field.lowest:g} to {field.highest:g}"
        raise RulesetError(file, where, f"{raw} is out of range", bounds)
    return raw


def _flag(file: str, where: str, _: Field, raw: object) -> bool:
    if not isinstance(raw, bool):
        raise RulesetError(file, where, "neither true nor false", "write true or false, no quotes")
    return raw


def _date(file: str, where: str, _: Field, raw: object) -> date:
    if not isinstance(raw, date) or isinstance(raw, datetime):
        raise RulesetError(file, where, "not a date", "write it as 2026-07-31, no quotes, no time")
    return raw


def _network(file: str, where: str, field: Field, raw: object) -> Network:
    text = _text(file, where, field, raw)
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        hint = "write 192.0.2.7 or 192.0.2.0/24, with no bits set behind the prefix"
        raise RulesetError(file, where, f"no address or network: {error}", hint) from error


def _bytes(file: str, where: str, field: Field, raw: object) -> bytes:
    text = _text(file, where, field, raw)
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        hint = "write two digits a byte, as 46 52 50 00"
        raise RulesetError(file, where, f"bad hexadecimal: {error}", hint) from error


def _name(file: str, where: str, raw: object) -> NameRule:
    table = {"name": raw} if isinstance(raw, str) else _dict(file, where, raw)
    values = dict(_table(file, where, "", table, NAME_FIELDS).values)
    name = str(values["name"])
    if not _NAME.fullmatch(name):
        hint = "lower case, at least two labels, `*` only as whole labels in front"
        raise RulesetError(file, where, f"{name!r} is no host name", hint)
    return NameRule(**values)


def _list(file: str, where: str, raw: object) -> list[object]:
    if not isinstance(raw, list):
        raise RulesetError(file, where, "not a list", "write it in square brackets")
    return raw


def _dict(file: str, where: str, raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise RulesetError(file, where, "not a table", "write it in braces")
    return raw


def _listing(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_SCALARS: dict[str, Callable[[str, str, Field, object], object]] = {
    "text": _text,
    "number": _number,
    "integer": _number,
    "flag": _flag,
    "date": _date,
    "cidr": _network,
    "hex": _bytes,
}
