"""Kills the service again and again and looks whether it kept what it promised.

    python -m tests.chaos.rounds --rounds 200 --database sqlite --seed 1

Every round starts `outgate serve`, lets clients upload, poll and comment, and kills it (SIGKILL) at
a random moment of the phase that is drawn: start, upload, analysis, push, or the migration of a new
database. At the end everything that was answered must be there, once, and `outgate store check
--deep` must find nothing. What a service finds that nobody kills is what must be found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.outcome import Outcome, judge
from tests.chaos.recorder import Recorder
from tests.chaos.samples import Sample, samples
from tests.chaos.traffic import Promises, Traffic, poll, upload_whole
from tests.databases import PostgresServer, postgres_server
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PHASES = {"upload": 30, "analysis": 25, "push": 20, "start": 15, "migration": 10}
"""How often each is drawn, in hundredths."""

OUTGATE = str(Path(sys.executable).parent / "outgate")
WEBHOOK_SECRET = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
FAILING_SHARE = 0.05
CAPTURES_PER_ROUND = 2
"""New ones that clients begin with in a round, so that every round has some."""

SETTLE_TIMEOUT_S = 600
PHASE_TIMEOUT_S = 4.0


@dataclass
class Run:
    """One run: a folder, a database, clients and a receiver."""

    folder: Path
    seed: int
    plan: list[Sample]
    new_database: Callable[[], str]
    recorder: Recorder
    chance: random.Random
    promises: Promises = field(default_factory=Promises)
    kills: Counter[str] = field(default_factory=Counter)
    begun: int = 0

    def __post_init__(self) -> None:
        self.database = self.new_database()
        self.service = Service(
            self.folder / "data",
            database=self.database,
            environ={
                "OUTGATE_SINK_NETWORKS": "127.0.0.0/8",
                "OUTGATE_MIN_FREE": "0",
                "OUTGATE_RATE_PER_MINUTE": "1000000",
            },
        )

    def prepare(self) -> None:
        """A first start, the key, and the sink."""
        self.service.start()
        sink = {
            "name": "recorder",
            "kind": "webhook",
            "format": "native",
            "config": {"url": self.recorder.url, "secrets": [WEBHOOK_SECRET]},
        }
        url, headers = f"{self.service.url}/v1/sinks", self.service.headers()
        answer = httpx.post(url, json=sink, headers=headers, timeout=20)
        assert answer.status_code == 201, answer.text
        self.service.stop()

    def round(self, phase: str) -> None:
        """One start and one kill."""
        self.kills[phase] += 1
        if phase == "migration":
            self._kill_migration()
            return
        if phase == "start":
            self.service.start(wait=False)
            time.sleep(self.chance.uniform(0.1, 2.0))
            self._kill()
            return
        self.service.start()
        self.recorder.arrived.clear()
        self.begun += CAPTURES_PER_ROUND
        plan = self.plan[: self.begun]
        traffic = Traffic(self.service, plan, self.promises, self.chance)
        traffic.start()
        self._wait_for(phase)
        self._kill()
        traffic.stop()

    def _wait_for(self, phase: str) -> None:
        deadline = time.monotonic() + PHASE_TIMEOUT_S
        if phase == "upload":
            time.sleep(self.chance.uniform(0.0, 1.0))
        elif phase == "push":
            self.recorder.arrived.wait(PHASE_TIMEOUT_S)
            time.sleep(self.chance.uniform(0.0, 0.1))
        else:
            while time.monotonic() < deadline and not self._running_jobs():
                time.sleep(0.01)
            time.sleep(self.chance.uniform(0.0, 0.5))

    def _running_jobs(self) -> bool:
        answer = self._get("/v1/jobs", state="running", limit=1)
        return bool(answer["data"])

    def _get(self, path: str, **query: object) -> Any:
        answer = httpx.get(
            self.service.url + path,
            params={name: str(value) for name, value in query.items()},
            headers=self.service.headers(),
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _kill(self) -> None:
        """The service alone, as the kernel does it, or with all of its process group."""
        if self.chance.random() < 0.5:
            os.killpg(self.service.pid, signal.SIGKILL)
        self.service.kill()

    def _kill_migration(self) -> None:
        """A new database, killed as it is made; what is there must be usable."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            command = [
                OUTGATE,
                "keys",
                "create",
                "chaos",
                "--scope",
                "admin",
                "--data",
                f"{name}/d",
            ]
            if database := self.new_database():
                command += ["--database", database]
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(self.chance.uniform(0.25, 0.75))
            process.kill()
            process.wait()
            again = subprocess.run(command, capture_output=True, text=True, check=False)
            assert again.returncode == 0, f"unusable after a kill: {again.stderr}"
            check = [OUTGATE, "store", "check", "--deep", *command[6:]]
            found = subprocess.run(check, capture_output=True, text=True, check=False)
            assert found.returncode == 0, f"not clean after a kill: {found.stdout}{found.stderr}"

    def settle(self) -> None:
        """Lets the service end everything in peace, and stops it as one should."""
        self.recorder.failing = 0.0
        self.service.start()
        url, headers = self.service.url, self.service.headers()
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            for sample in self.plan:
                if not self.promises.accepted.get(sample.sha256):
                    upload_whole(client, sample, self.promises, self.chance)
            self._wait_until(self._all_analysed, "jobs are still open")
            while poll(client, self.promises, limit=100):
                pass
            self._wait_until(self._all_pushed, "deliveries are still pending")
        self.service.stop()

    def end(self) -> None:
        """Leaves no service behind, however this ends."""
        if self.service.running:
            self.service.kill()

    def _wait_until(self, holds: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + SETTLE_TIMEOUT_S
        while not holds():
            assert time.monotonic() < deadline, problem
            time.sleep(0.2)

    def _all_analysed(self) -> bool:
        return not any(
            self._get("/v1/jobs", state=state, limit=1)["data"] for state in ("queued", "running")
        )

    def _all_pushed(self) -> bool:
        sink = self._get("/v1/sinks")["data"][0]
        where = f"/v1/sinks/{sink['id']}/deliveries"
        return not self._get(where, state="pending", limit=1)["data"]


def run(
    rounds: int,
    *,
    database: str,
    seed: int,
    captures: int = 0,
    phases: tuple[str, ...] = (),
    say: Callable[[str], None] = print,
) -> Outcome:
    """So many kills, and what is there behind them.

    Args:
        rounds: Kills.
        database: `sqlite` or `postgresql`.
        seed: Of every choice this makes; the machine makes others.
        captures: How many are uploaded; two for each round unless said.
        phases: Which phases, in turn; drawn if not said.
        say: Takes a line now and then.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outgate-chaos-")))
        new_database = stack.enter_context(_databases(database))
        recorder = stack.enter_context(Recorder(seed))
        plan = samples(captures or CAPTURES_PER_ROUND * rounds, seed)
        made = Run(folder, seed, plan, new_database, recorder, random.Random(seed))
        stack.callback(made.end)
        made.prepare()
        recorder.failing = FAILING_SHARE
        for number in range(rounds):
            drawn = made.chance.choices(list(PHASES), list(PHASES.values()))[0]
            made.round(phases[number % len(phases)] if phases else drawn)
            if made.promises.errors:
                break
            if number % 10 == 9:
                say(f"{number + 1} rounds, {len(made.promises.accepted)} captures accepted")
        made.settle()
        say("settled; comparing with a run without kills")
        expected = _without_kills(folder / "calm", plan)
        outcome = judge(made, expected, time.monotonic() - began)
        if not outcome.good and (keep := os.environ.get("OUTGATE_CHAOS_KEEP")):
            shutil.copytree(folder, keep, dirs_exist_ok=True)
        return outcome


def _without_kills(folder: Path, plan: list[Sample]) -> Path:
    """A data folder of a service that took the same captures in peace."""
    service = Service(folder, environ={"OUTGATE_MIN_FREE": "0"})
    with service:
        chance, promises = random.Random(0), Promises()
        with httpx.Client(base_url=service.url, headers=service.headers(), timeout=60) as client:
            for sample in plan:
                upload_whole(client, sample, promises, chance)
            deadline = time.monotonic() + SETTLE_TIMEOUT_S
            while any(
                client.get("/v1/jobs", params={"state": state, "limit": 1}).json()["data"]
                for state in ("queued", "running")
            ):
                assert time.monotonic() < deadline, "the calm service does not end"
                time.sleep(0.2)
    return folder


@contextmanager
def _databases(kind: str) -> Iterator[Callable[[], str]]:
    """Gives URLs of new databases."""
    if kind == "sqlite":
        yield lambda: ""
        return
    with postgres_server() as server, ExitStack() as stack:

        def fresh(server: PostgresServer = server) -> str:
            return stack.enter_context(server.database())

        yield fresh


def main() -> int:
    """The command; exits 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--captures", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped
    outcome = run(given.rounds, database=given.database, seed=given.seed, captures=given.captures)
    print(json.dumps(outcome.to_dict(), indent=2))  # noqa: T201 - what it is for
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
