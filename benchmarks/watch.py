"""What a watcher gets through on a real MLflow server: checks, changed policies, hashing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.common import ROOT, Options, Section, Target, cores, say, seconds
from benchmarks.tensors import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.registry import Registry

TITLE: Final = "gate watch: what one gets through"
SUBJECTS: Final = ("silero", "magika", "rapidocr-det")
PER_DAY: Final = 200 * 10
"""Versions a day that it has to keep up with: 200 models with 10 versions each."""

_MINUTES: Final = 24 * 60
_LISTED: Final = 1000
_POLICY: Final = """
version: 1
name: benchmark
rules:
  - id: alpha
    description: Layer alpha in range
    metric: layer.alpha
    within: [1, {most}]
    allow: {{share: 0.5}}
"""
_TEXT: Final = """
A real MLflow server (SQLite, one worker, files through its artifact proxy) and `gate watch --once` share
this machine's {cores} cores; versions are copies of {models} ({sizes} MB), taking turns. Times are those
of the whole command, its start and its workers' included, which a watcher that stays up pays once.
*Judged again* is a changed policy, from the recorded analyses; *hashed again* is every file of every
version, unchanged. The last column is what {per_day:,} versions a day (200 models with 10 each) would keep
busy of a day, if they were models like these: larger ones take the seconds that the sections above tell,
beside the {cost} of all that was needed here. Listing {listed:,} versions, which every tenth sweep does, took
{listing}; the other sweeps list what is new.
"""
_MOST_OF_A_DAY: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Place:
    """A server's address, the folder it lives in, and the versions on it."""

    address: str
    folder: Path
    versions: int

    @property
    def policy(self) -> Path:
        """The policy that the next run judges by."""
        return self.folder / "policy.yaml"


def run(options: Options) -> Section:
    """Measure one watcher, with one worker and with two."""
    from tests.mlflow_server import running_server  # noqa: PLC0415 - the tests' way to start a real server

    names = SUBJECTS[:1] if options.quick else SUBJECTS
    count = 4 if options.quick else 16
    rows, slowest, cost = [], 0.0, 0.0
    with (
        tempfile.TemporaryDirectory(prefix="gate-bench-watch-") as name,
        running_server(Path(name)) as address,
    ):
        for workers in (1, 2):
            place = _Place(address, Path(name), count)
            _register(place, names, f"w{workers}")
            found, each = _measure(place, workers)
            rows += found
            slowest, cost = max(slowest, each), cost or each
        listing = _listing(_Place(address, Path(name), 20 if options.quick else _LISTED))
    share = PER_DAY * slowest / 60 / _MINUTES
    return Section(
        title=TITLE,
        text=_TEXT.format(
            cores=cores(),
            models=", ".join(MODELS[name].title for name in names),
            sizes=", ".join(f"{MODELS[name].path().stat().st_size / 1e6:.1f}" for name in names),
            per_day=PER_DAY,
            cost=seconds(cost),
            listed=20 if options.quick else _LISTED,
            listing=seconds(listing),
        ),
        header=("work", "workers", "versions", "seconds", "a minute", "of a day, at 2,000 versions"),
        rows=tuple(rows),
        targets=(
            Target(
                "200 models with 10 versions a day, small ones: less than a tenth of a day",
                f"{share:.1%} with one worker or two",
                share < _MOST_OF_A_DAY,
            ),
        ),
    )


def _measure(place: _Place, workers: int) -> tuple[list[tuple[str, ...]], float]:
    """Return the rows of one number of workers, and the seconds of a check."""
    model = f"w{workers}*"
    rows: list[tuple[str, ...]] = []
    checked = 0.0
    works: tuple[tuple[str, int, Sequence[str], int], ...] = (
        ("checked", 6, (), place.versions),
        ("judged again", 7, (), place.versions),
        ("hashed again", 7, ("--rehash-every", "0"), 0),
    )
    for work, most, arguments, judged in works:
        say(f"  {work}, {workers} workers")
        place.policy.write_text(_POLICY.format(most=most), encoding="utf-8")
        spent = _watch(place, model, workers, arguments, judged)
        checked = checked or spent / place.versions
        rate = place.versions / spent * 60
        share = PER_DAY / rate / _MINUTES
        rows.append((work, str(workers), str(place.versions), f"{spent:.0f}", f"{rate:.0f}", f"{share:.1%}"))
    return rows, checked


def _watch(place: _Place, model: str, workers: int, arguments: Sequence[str], judged: int) -> float:
    """Run ``gate watch --once`` and return its wall time; fail where it did other work than meant."""
    command = [sys.executable, "-c", "from gate.cli import main; main()", "watch", "--once"]
    command += ["--tracking-uri", place.address, "--policy", str(place.policy), "--model", model]
    command += ["--concurrency", str(workers), "--no-cache", *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=_environment(),
    )
    spent = time.perf_counter() - started
    if done.returncode != 0 or done.stderr.count(" event=checked ") != judged:
        raise RuntimeError(f"the watcher did not do what was meant: {done.returncode}\n{done.stderr[-2000:]}")
    return spent


def _environment() -> dict[str, str]:
    """Return this process's environment, without a cache and without bounds on threads."""
    kept = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    return {**kept, "GATE_CACHE": "off"}


def _listing(place: _Place) -> float:
    """Return the seconds of a sweep over so many versions that are none of its business."""
    registry = _connect(place)
    client = registry.connection.client
    known = client.get_model_version("w1-0", "1")
    for number in range(place.versions):
        if number % 10 == 0:
            client.create_registered_model(f"many {number // 10}")
        client.create_model_version(f"many {number // 10}", known.source, known.run_id)
    command = [sys.executable, "-c", "from gate.cli import main; main()", "watch", "--once"]
    command += ["--tracking-uri", place.address, "--model", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = re.search(r"event=swept .*seconds=([0-9.]+)", done.stderr)
    if found is None:
        raise RuntimeError(done.stderr[-2000:])
    return float(found[1])


def _register(place: _Place, names: Sequence[str], prefix: str) -> None:
    """Log each model once and register it over and over, under ten names a model."""
    client = _connect(place).connection.client
    experiment = client.create_experiment(f"training {prefix}")
    sources = []
    for name in names:
        folder = place.folder / f"{prefix}-{name}"
        folder.mkdir()
        shutil.copy(MODELS[name].path(), folder)
        run_id = client.create_run(experiment).info.run_id
        client.log_artifacts(run_id, str(folder), "model")
        sources.append((f"{client.get_run(run_id).info.artifact_uri}/model", run_id))
    for number in range(place.versions):
        model = f"{prefix}-{number // 10}"
        if number % 10 == 0:
            client.create_registered_model(model)
        source, run_id = sources[number % len(sources)]
        client.create_model_version(model, source, run_id)


def _connect(place: _Place) -> Registry:
    from gate.registry import Registry  # noqa: PLC0415 - imports mlflow

    return Registry.connect(place.address, place.address)
