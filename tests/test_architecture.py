"""The rules of docs/architecture.md that no compiler and no linter enforces."""

import re
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import click
import pytest

from analyzer.cli import outgate
from analyzer.detectors import BUILTIN
from analyzer.detectors.base import Detector

ROOT = Path(__file__).resolve().parent.parent
RUST_CORE = ROOT / "rust" / "core" / "src"
MAX_LINES = 500
IMPORT_NAMES = ("analyzer", "api", "signatures")

TOP_LEVEL = {
    ".ci", ".editorconfig", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md",
    "CONTRIBUTING.md", "Cargo.lock", "Cargo.toml", "LICENSE", "Makefile", "README.md",
    "SECURITY.md", "analyzer", "api", "bench", "clippy.toml", "docs", "pcaps", "pyproject.toml",
    "requirements", "rust", "rustfmt.toml", "scripts", "signatures", "tests",
}  # fmt: skip
MADE_HERE = {".git", ".venv", "build", "dist", "target"}


def rust_ranks() -> dict[str, int]:
    """Read the ranks from the document, so that it cannot differ from what is enforced."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.search(r"Rust modules rank: (.+?)\.\s*\n", text, re.DOTALL)
    assert found, "docs/architecture.md has lost its line of Rust module ranks"
    return {
        name: rank
        for rank, names in enumerate(found[1].split("<"))
        for name in re.findall(r"\w+", names)
    }


def table_columns() -> dict[str, list[str]]:
    """The columns of every table of the core, as its schemas name them."""
    code = (RUST_CORE / "table" / "schema.rs").read_text(encoding="utf-8")
    schemas = re.findall(r"pub const (\w+): Schema =\s*&\[(.*?)\];", code, re.DOTALL)
    return {name.lower(): re.findall(r'\("(\w+)",', body) for name, body in schemas}


def module_of(source: Path) -> str:
    return source.relative_to(RUST_CORE).parts[0].removesuffix(".rs")


def product_code(source: Path) -> str:
    """The source without comments and without the unit tests at its end."""
    text = source.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests {", maxsplit=1)[0]
    return re.sub(r"//[^\n]*", "", text)


def used_modules(code: str) -> set[str]:
    """Top-level modules named in `crate::` paths, grouped imports included."""
    single = set(re.findall(r"\bcrate::(\w+)", code))
    grouped = ",".join(re.findall(r"\buse crate::\{(.*?)\};", code, re.DOTALL))
    while re.search(r"\{[^{}]*\}", grouped):
        grouped = re.sub(r"\{[^{}]*\}", "", grouped)
    return single | {part.strip().split("::")[0] for part in grouped.split(",") if part.strip()}


def rust_sources() -> list[Path]:
    sources = sorted(RUST_CORE.rglob("*.rs"))
    return [path for path in sources if path.stem not in {"lib", "tests"}]


def is_source(path: Path) -> bool:
    written = path.suffix in {".py", ".rs", ".sh"} or path.parent.name == "scripts"
    made = "__pycache__" in path.parts or path.is_relative_to(ROOT / "bench" / "data")
    return path.is_file() and written and not made


def all_sources() -> list[Path]:
    folders = ("analyzer", "api", "bench", "pcaps", "rust", "scripts", "signatures", "tests")
    return [
        path for name in folders for path in sorted((ROOT / name).rglob("*")) if is_source(path)
    ]


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source", rust_sources(), ids=lambda path: str(path.relative_to(RUST_CORE))
)
def test_a_rust_module_uses_only_modules_of_lower_rank(source: Path) -> None:
    ranks = rust_ranks()
    own = module_of(source)

    assert own in ranks, f"{own} has no rank in docs/architecture.md"
    too_high = {
        name
        for name in used_modules(product_code(source)) - {own}
        if name in ranks and ranks[name] >= ranks[own]
    }
    assert too_high == set(), f"{own} (rank {ranks[own]}) may not use {sorted(too_high)}"


def test_grouped_and_nested_imports_are_seen_by_the_layer_test() -> None:
    code = "use crate::{bytes::{Reader, Short}, table, flow::key};\nuse crate::proto::Sink;"

    assert used_modules(code) == {"bytes", "table", "flow", "proto"}


def test_the_top_level_holds_only_what_the_architecture_names() -> None:
    caches = {path.name for path in ROOT.glob(".*_cache")} | {".hypothesis"}

    unknown = {path.name for path in ROOT.iterdir()} - TOP_LEVEL - MADE_HERE - caches

    assert unknown == set()


@pytest.mark.parametrize("source", all_sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_is_short_enough_to_read(source: Path) -> None:
    lines = source.read_text(encoding="utf-8").count("\n")

    assert lines < MAX_LINES


def test_the_version_is_stated_once_and_is_the_installed_one() -> None:
    cargo = read_toml("Cargo.toml")["workspace"]["package"]

    assert read_toml("pyproject.toml")["project"]["dynamic"] == ["version"]
    assert version("outgate") == cargo["version"]


def test_every_place_that_names_a_minimum_version_names_the_same() -> None:
    project = read_toml("pyproject.toml")
    python = project["project"]["requires-python"].removeprefix(">=")
    rust = read_toml("Cargo.toml")["workspace"]["package"]["rust-version"]
    scripts = (ROOT / "scripts" / "lib.sh").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert project["tool"]["mypy"]["python_version"] == python
    assert project["tool"]["ruff"]["target-version"] == "py" + python.replace(".", "")
    assert f"NEEDS_PYTHON={python} " in scripts
    assert f"NEEDS_RUST={rust}\n" in scripts
    assert f"Python {python} and Rust {rust} or later" in contributing


SHARED_COLUMNS = {"flow_id", "frame", "ts", "up"}


@pytest.mark.parametrize(("table", "columns"), table_columns().items())
def test_every_column_of_a_table_is_described(table: str, columns: list[str]) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    described = re.search(rf"^\| `{table}` \|.*$", text, re.MULTILINE)

    assert described, f"docs/architecture.md does not list the table {table}"
    assert set(columns) - SHARED_COLUMNS <= set(re.findall(r"\w+", described[0]))


@pytest.mark.parametrize("name", IMPORT_NAMES)
def test_no_other_installed_package_owns_our_import_names(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"outgate"}


def test_every_detector_is_held_independent_of_the_others() -> None:
    contracts = read_toml("pyproject.toml")["tool"]["importlinter"]["contracts"]
    held = {
        module for each in contracts if each["type"] == "independence" for module in each["modules"]
    }

    assert {type(detector).__module__ for detector in BUILTIN} == held


@pytest.mark.parametrize("detector", BUILTIN, ids=lambda detector: detector.meta.id)
def test_every_detector_has_its_page(detector: Detector) -> None:
    page = ROOT / "docs" / "detectors" / f"{detector.meta.id}.md"

    assert page.is_file(), f"write {page.relative_to(ROOT)}"


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = outgate.list_commands(click.Context(outgate))

    assert [name for name in commands if f"| `{name}" not in readme] == []


@pytest.mark.parametrize("lock", ["base.txt", "dev.txt"])
def test_a_lock_pins_every_dependency_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    wanted = {
        re.split(r"[<>=\[]", line)[0]
        for line in read_toml("pyproject.toml")["project"]["dependencies"]
    }
    pinned = set(re.findall(r"^([\w-]+)==[^\n]+\\\n    --hash=sha256:", text, re.MULTILINE))

    assert wanted <= pinned
    assert re.search(r"://|--(extra-)?index|--find-links", text) is None


def test_the_parsing_crate_forbids_unsafe_code() -> None:
    assert read_toml("rust/core/Cargo.toml")["lints"]["rust"]["unsafe_code"] == "forbid"
