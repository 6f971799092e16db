"""Measures outgate and its peers on one corpus and writes the results as JSON lines.

usage: python -m bench.run [KIND...] [--rounds N] [--packets N] [--output FILE]

Every round runs each tool once, in turn, so that a busy moment of the machine touches all of them;
what is reported is the median over the rounds, with the smallest and largest beside it. CPU is user
and system time of the process and its children.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.tools import DATA, ROOT, Tool, available, stages_program

KINDS = ("mix", "small", "bulk", "real")
START_PACKETS = 10
ONE_ROUND = "1"  # the rounds are counted here
PCAP_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one run of a program cost."""

    cpu_s: float
    wall_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measured value; `low` and `high` are the extremes over the runs."""

    case: str
    tool: str
    version: str
    measure: str
    value: float
    unit: str
    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A corpus on disk."""

    kind: str
    path: Path
    packets: int
    file_bytes: int


def main() -> None:
    """Run the cases of the command line."""
    options = arguments()
    tools = available()
    stages = stages_program()
    start = corpus("mix", packets=START_PACKETS, captures=options.captures)
    for kind in options.kinds or ["mix"]:
        case = corpus(kind, packets=options.packets, captures=options.captures)
        results = [*end_to_end(case, start, tools, rounds=options.rounds)]
        if stages is not None:
            results += by_stage(case, stages, rounds=options.rounds)
        publish(results, options.output)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure speed and memory beside other tools.")
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}  [default: mix]"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packets", type=int, help="size of the corpus  [default: its own]")
    parser.add_argument("--captures", type=Path, default=ROOT.parent / "shared" / "captures")
    parser.add_argument("--output", type=Path, default=RESULTS / "latest.jsonl")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    return options


def corpus(kind: str, *, packets: int | None, captures: Path) -> Case:
    """Build a corpus, unless it is there, in a process of its own.

    A child's peak memory as the kernel reports it is never below its parent's at that moment, so
    this process stays small.
    """
    path = DATA / f"{kind}-{packets or 'full'}.pcap"
    if not path.exists():
        command = [sys.executable, "-m", "bench.corpus", kind, "--output", str(path)]
        command += ["--captures", str(captures)]
        command += ["--packets", str(packets)] if packets else []
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return Case(kind=kind, path=path, packets=count(path), file_bytes=path.stat().st_size)


def count(path: Path) -> int:
    """Return the number of records of a pcap that this project wrote."""
    packets = 0
    with path.open("rb") as stream:
        stream.seek(PCAP_HEADER_BYTES)
        while header := stream.read(RECORD_HEADER_BYTES):
            stream.seek(int.from_bytes(header[8:12], "little"), os.SEEK_CUR)
            packets += 1
    return packets


def end_to_end(case: Case, start: Case, tools: list[Tool], *, rounds: int) -> Iterator[Result]:
    """Yield CPU, throughput and memory of each tool."""
    usages: dict[str, list[Usage]] = {tool.name: [] for tool in tools}
    starts: dict[str, list[Usage]] = {tool.name: [] for tool in tools}
    for number in range(rounds):
        for tool in tools:
            print(f"{case.kind}: round {number + 1} of {rounds}, {tool.name}", file=sys.stderr)
            starts[tool.name].append(measure([*tool.command, str(start.path)]))
            usages[tool.name].append(measure([*tool.command, str(case.path)]))
    for tool in tools:
        start_s = statistics.median(usage.cpu_s for usage in starts[tool.name])
        taken = usages[tool.name]
        cpu = [usage.cpu_s for usage in taken]
        yield result(case, tool, "cpu", [s * 1e9 / case.packets for s in cpu], "ns/packet")
        after = [(s - start_s) * 1e9 / case.packets for s in cpu]
        yield result(case, tool, "cpu after start", after, "ns/packet")
        yield result(case, tool, "start", [usage.cpu_s for usage in starts[tool.name]], "s")
        rates = [case.file_bytes / usage.wall_s / 1e6 for usage in taken]
        yield result(case, tool, "throughput", rates, "MB/s")
        yield result(case, tool, "peak memory", [u.peak_bytes / 1e6 for u in taken], "MB")


def by_stage(case: Case, program: Path, *, rounds: int) -> Iterator[Result]:
    """Yield the core's stages. The program prints a line for each: its name, a tab, ns/packet."""
    values: dict[str, list[float]] = {}
    for _ in range(rounds):
        run = subprocess.run(
            [program, case.path, ONE_ROUND], capture_output=True, text=True, check=True
        )
        for line in run.stdout.splitlines():
            name, _, figure = line.partition("\t")
            values.setdefault(name, []).append(float(figure))
    core = Tool(name="outgate-core", version="", command=())
    for name, figures in values.items():
        yield result(case, core, f"stage {name}", figures, "ns/packet")


def measure(command: list[str]) -> Usage:
    """Run a program once.

    Raises:
        subprocess.CalledProcessError: It failed; a failed run has no speed.
    """
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        said = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - began
    if process.returncode != 0:
        print(said.decode(errors="replace"), file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, command)
    return Usage(
        cpu_s=usage.ru_utime + usage.ru_stime, wall_s=wall_s, peak_bytes=usage.ru_maxrss * 1024
    )


def result(case: Case, tool: Tool, measured: str, values: list[float], unit: str) -> Result:
    """Summarise the runs of one tool."""
    return Result(
        case=f"{case.kind}, {case.packets} packets, {case.file_bytes} bytes",
        tool=tool.name,
        version=tool.version,
        measure=measured,
        value=round(statistics.median(values), 3),
        unit=unit,
        low=round(min(values), 3),
        high=round(max(values), 3),
        runs=len(values),
    )


def commit() -> str:
    """Return the commit that is measured, marked if the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def machine() -> str:
    """Describe the machine by processor, cores and Python; its name is nobody's business."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def publish(results: list[Result], output: Path) -> None:
    """Append the results as JSON lines and print them as a table."""
    output.parent.mkdir(parents=True, exist_ok=True)
    where = {"commit": commit(), "machine": machine()}
    with output.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(where | asdict(result)) + "\n" for result in results)
    print(f"\n{results[0].case} ({where['commit']}; {where['machine']})")
    for each in results:
        spread = f"{each.low:,.1f} to {each.high:,.1f}"
        print(f"{each.tool:12} {each.measure:18} {each.value:10,.1f} {each.unit:10} ({spread})")


if __name__ == "__main__":
    main()
