"""Reads the rule data of a folder, or of the installed `signatures` package."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from analyzer.errors import RulesetError
from analyzer.ruleset import build
from analyzer.ruleset.reader import Table, read_tables
from analyzer.ruleset.sets import RuleSet

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

FOLDERS = {"pools": "pool", "relays": "relay", "coins": "coin", "payload": "payload"}
NURSERY = "nursery"
MAX_FILES = 1000

_VERSION_CHARS = 12


def load(path: Path | None = None, *, nursery: bool = False) -> RuleSet:
    """Reads and validates rule data.

    Args:
        path: A folder laid out as `signatures/`; the installed rules if `None`.
        nursery: Whether to read rules that no sample proves yet.

    Raises:
        RulesetError: The first thing that is wrong, by file, table and key.
    """
    root: Traversable = resources.files("signatures") if path is None else path
    if not root.is_dir():
        raise RulesetError(str(root), "", "no such folder", "give a folder laid out as signatures/")
    digest = hashlib.sha256()
    tables: list[Table] = []
    for name, file in _files(root, nursery=nursery):
        content = _content(name, file)
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
        folder = name.split("/", 1)[0]
        allowed = frozenset(FOLDERS.values()) if folder == NURSERY else {FOLDERS[folder]}
        tables.extend(read_tables(name, _text(name, content), frozenset(allowed)))
    return _rule_set(tables, digest.hexdigest()[:_VERSION_CHARS])


def _files(root: Traversable, *, nursery: bool) -> list[tuple[str, Traversable]]:
    folders = [*FOLDERS, NURSERY] if nursery else list(FOLDERS)
    found = [
        (f"{folder}/{file.name}", file)
        for folder in folders
        if root.joinpath(folder).is_dir()
        for file in root.joinpath(folder).iterdir()
        if file.name.endswith(".toml")
    ]
    if not found:
        hint = f"rules are TOML files in {', '.join(FOLDERS)}"
        raise RulesetError(str(root), "", "no rule files in it", hint)
    if len(found) > MAX_FILES:
        raise RulesetError(str(root), "", f"{len(found)} files, the limit is {MAX_FILES}")
    return sorted(found, key=lambda item: item[0])


def _content(name: str, file: Traversable) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RulesetError(name, "", error.strerror or "cannot be read") from error


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise RulesetError(name, "", f"no UTF-8 at byte {error.start}") from error


def _rule_set(tables: list[Table], version: str) -> RuleSet:
    by_kind = {kind: [table for table in tables if table.kind == kind] for kind in FOLDERS.values()}
    _require_unique_ids(tables)
    _require_known(by_kind["pool"], "coins", by_kind["coin"])
    for table in by_kind["pool"]:
        _require_known(list(table.tables("ports")), "coins", by_kind["coin"])
    _require_known(by_kind["relay"], "payload", by_kind["payload"])
    return RuleSet(
        version=version,
        pools=tuple(build.pool(table) for table in by_kind["pool"]),
        relays=tuple(build.relay(table) for table in by_kind["relay"]),
        coins=tuple(build.coin(table) for table in by_kind["coin"]),
        payloads=tuple(build.payload(table) for table in by_kind["payload"]),
    )


def _require_unique_ids(tables: list[Table]) -> None:
    seen: dict[str, Table] = {}
    for table in tables:
        rule_id = table.values["id"]
        first = seen.setdefault(rule_id, table)
        if first is not table:
            problem = f"the id {rule_id} is used twice, first in {first.file} at {first.where}"
            raise table.error("id", problem, "ids are unique over all rules")


def _require_known(tables: list[Table], key: str, targets: list[Table]) -> None:
    known = {table.values["id"] for table in targets}
    for table in tables:
        for rule_id in table.texts(key):
            if rule_id not in known:
                raise table.error(key, f"{rule_id} is described nowhere", "add a table for it")
