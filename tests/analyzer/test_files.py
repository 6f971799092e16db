"""Files written whole or not at all, and folders removed whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.files import remove_tree, write_atomically

if TYPE_CHECKING:
    import pytest


def test_a_file_is_there_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_tree_deeper_than_any_stack_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    monkeypatch.chdir(tree)
    for _ in range(1100):
        Path("d").mkdir()
        Path("file").write_bytes(b"x")
        os.chdir("d")
    monkeypatch.chdir(tmp_path)
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


def test_what_links_lead_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "folder").symlink_to(outside)
    (tree / "file").symlink_to(outside / "kept")
    (tree / "0").mkdir()
    (tree / "inner" / "deeper").mkdir()
    (tree / "inner" / "deeper" / "file").write_text("x")
    (tree / "inner").chmod(0)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").read_text() == "kept"


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "missing")
