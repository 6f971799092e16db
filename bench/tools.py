"""The programs that are measured, and how each is started."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bench" / "data"
PEERS = ROOT / "bench" / "peers"
NFSTREAM_ENVIRONMENT = DATA / "nfstream"
STAGES = "stages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that takes the path of a capture as its last argument."""

    name: str
    version: str
    command: tuple[str, ...]


def available() -> list[Tool]:
    """Return outgate and those of its peers that are here, and say which are not."""
    tools = [outgate(), dpkt()]
    for name, find in (("nfstream", nfstream), ("ndpiReader", ndpi_reader)):
        tool = find()
        if tool is None:
            print(f"left out: {name} is not installed; bench/README.md says how", file=sys.stderr)
        else:
            tools.append(tool)
    return tools


def outgate() -> Tool:
    """Outgate itself, end to end: file to findings."""
    program = str(Path(sys.executable).parent / "outgate")
    version = answer([program, "--version"])
    return Tool(name="outgate", version=version, command=(program, "analyze", "--format", "ndjson"))


def dpkt() -> Tool:
    """A flow table written with dpkt."""
    version = answer([sys.executable, "-c", "import dpkt; print(dpkt.__version__)"])
    script = str(PEERS / "dpkt_flows.py")
    return Tool(name="dpkt", version=version, command=(sys.executable, script))


def nfstream() -> Tool | None:
    """Return nfstream from an environment of its own: its pins would not fit beside ours."""
    python = NFSTREAM_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        return None
    version = answer([str(python), "-c", "import nfstream; print(nfstream.__version__)"])
    script = str(PEERS / "nfstream_flows.py")
    return Tool(name="nfstream", version=version, command=(str(python), script))


def ndpi_reader() -> Tool | None:
    """Return nDPI's reader, which detects protocols and prints a summary."""
    program = shutil.which("ndpiReader")
    if program is None:
        return None
    version = answer([program, "-h"]).removeprefix("Welcome to nDPI").strip()
    return Tool(name="ndpiReader", version=version, command=(program, "-q", "-i"))


def answer(command: list[str]) -> str:
    """Return the first line a program prints, whatever its exit status."""
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return (run.stdout or run.stderr).strip().partition("\n")[0]


def stages_program() -> Path | None:
    """Build and return the program that times the core's stages, if the core has one."""
    if not (ROOT / "rust" / "core" / "examples" / f"{STAGES}.rs").exists():
        return None
    build = ["cargo", "build", "--release", "--locked", "-p", "outgate-core", "--example", STAGES]
    subprocess.run([*build, "--quiet"], cwd=ROOT, check=True)
    where = answer([
        "cargo", "metadata", "--format-version", "1", "--no-deps", "--offline",
        "--manifest-path", str(ROOT / "Cargo.toml"),
    ])  # fmt: skip
    return target_directory(where) / "release" / "examples" / STAGES


def target_directory(metadata: str) -> Path:
    """Return where cargo builds, from its metadata."""
    return Path(metadata.partition('"target_directory":"')[2].partition('"')[0])
