"""``-o``: what is at a path decides how it is written; every output arrives or is refused beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from gate.cli.files import check_writable, write_file
from gate.errors import UsageError
from tests.cli.command import GATE, environment, gate
from tests.cli.models import small_model


@pytest.fixture
def work(tmp_path: Path) -> Path:
    small_model(tmp_path)
    return tmp_path


def _analyze(work: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    return gate("analyze", "model.safetensors", *more, folder=work)


def test_a_link_stays_and_its_target_is_replaced(work: Path) -> None:
    (work / "target.json").write_text("old")
    (work / "link.json").symlink_to("target.json")
    (work / "dangling.json").symlink_to("new.json")
    for link, target in (("link.json", "target.json"), ("dangling.json", "new.json")):
        assert _analyze(work, "--format", "json", "-o", link).returncode == 0
        assert (work / link).is_symlink()
        assert not (work / target).is_symlink()
        assert json.loads((work / target).read_text())["schema"] == "gate/analysis/1"


def test_a_fifo_stays_and_is_written_to(work: Path) -> None:
    fifo = work / "fifo"
    os.mkfifo(fifo)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()), daemon=True)
    reader.start()
    done = _analyze(work, "--format", "json", "-o", fifo)
    assert done.returncode == 0, done.stderr
    assert fifo.is_fifo()
    reader.join(20)
    assert json.loads(read[0])["schema"] == "gate/analysis/1"


def test_a_device_stays_and_is_written_to(work: Path) -> None:
    """A terminal of our own is a device that nobody misses."""
    master, slave = os.openpty()
    try:
        device = Path(os.ttyname(slave))
        before = device.stat()
        done = gate("policy", "explain", "passes.yaml", "-o", device, folder=work)
        assert done.returncode == 0, done.stderr
        assert device.is_char_device()
        assert device.stat().st_rdev == before.st_rdev
        assert b"few-layers" in os.read(master, 4096)
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors as files")
@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_descriptor_is_written_to_where_it_stands(work: Path, name: str) -> None:
    """It may be a regular file that others write to: what was written before stays."""
    shared = work / "shared.txt"
    with shared.open("wb", buffering=0) as file:
        file.write(b"before\n")
        done = subprocess.run(
            [*GATE, "analyze", "model.safetensors", "--format", "csv", "-o", name.format(file.fileno())],
            cwd=work,
            env=environment(),
            capture_output=True,
            pass_fds=[file.fileno()],
            timeout=100,
            check=False,
        )
        file.write(b"after\n")
    assert done.returncode == 0, done.stderr
    lines = shared.read_text().splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("before", "after", 6)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="stdout as a file")
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_every_name_of_stdout_is_stdout(work: Path, name: str) -> None:
    with (work / "log").open("wb", buffering=0) as log:
        log.write(b"before\n")
        arguments = ["analyze", "model.safetensors", "--format", "csv", "-o", name]
        code = subprocess.run(
            [*GATE, *arguments], cwd=work, env=environment(), stdout=log, timeout=100, check=False
        ).returncode
    assert code == 0
    assert (work / "log").read_text().startswith("before\n")
    assert len((work / "log").read_text().splitlines()) == 5
    assert "only one format" in _analyze(work, "-f", "json", "-o", name, "-f", "csv").stderr


def test_a_process_substitution_gets_the_report(work: Path) -> None:
    command = f'"$@" check model.safetensors -p blocks.yaml -f json -o >(cat > "{work}/got")'
    done = subprocess.run(
        ["bash", "-c", f"{command}; code=$?; sleep 1; exit $code", "bash", *GATE],
        cwd=work,
        env=environment(),
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads((work / "got").read_text())["outcome"] == "blocked"


def test_a_file_that_was_there_keeps_who_may_read_it(tmp_path: Path) -> None:
    private = tmp_path / "private.json"
    private.write_text("old")
    private.chmod(0o600)
    write_file(private, b"new")
    assert private.read_bytes() == b"new"
    assert private.stat().st_mode & 0o777 == 0o600
    umask = os.umask(0o027)
    try:
        write_file(tmp_path / "fresh", b"new")
    finally:
        os.umask(umask)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"private.json", "fresh"}


@pytest.mark.parametrize("place", [".", "nowhere/out.json", "model.safetensors/out.json", "loop"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "model.safetensors", "-p", "passes.yaml"],
        ["analyze", "model.safetensors"],
        ["compare", "model.safetensors", "model.safetensors"],
        ["policy", "test", "."],
    ],
)
def test_a_place_that_cannot_be_written_is_told_first(work: Path, arguments: list[str], place: str) -> None:
    (work / "loop").symlink_to("loop")
    before = sorted(path.name for path in work.iterdir())
    done = gate(*arguments, "-f", "json", "-o", "first.json", "-f", "text", "-o", place, folder=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot write {place}" in done.stderr
    assert sorted(path.name for path in work.iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_told_first(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot be written to"):
        check_writable(tmp_path / "out.json")


@pytest.mark.parametrize("second", ["./out.json", "link.json", "folder/../out.json"])
def test_the_same_file_twice_is_refused(work: Path, second: str) -> None:
    (work / "folder").mkdir()
    (work / "link.json").symlink_to("out.json")
    done = _analyze(work, "-f", "json", "-o", "out.json", "-f", "csv", "-o", second)
    assert (done.returncode, done.stdout) == (2, "")
    assert "named twice" in done.stderr
    assert not (work / "out.json").exists()


STUDIED = "model,depth,alpha,accuracy\n" + "".join(
    f"m{index},{2 + index % 2},{2 + index / 7},{0.5 + (index * 5 % 11) / 30}\n" for index in range(12)
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "model.safetensors", "-p", "passes.yaml"],
        ["analyze", "model.safetensors"],
        ["compare", "model.safetensors", "model.safetensors"],
        ["convert", "saved.json"],
        ["study", "figures.csv"],
    ],
)
def test_formats_and_files_repeat_in_pairs(work: Path, arguments: list[str]) -> None:
    (work / "figures.csv").write_text(STUDIED)
    assert _analyze(work, "--format", "json", "-o", "saved.json").returncode == 0
    pairs = ["-f", "json", "-o", "out.json", "-f", "html", "-o", "out.html", "-f", "text"]
    done = gate(*arguments, *pairs, folder=work)
    assert done.returncode == 0, done.stderr
    assert json.loads((work / "out.json").read_text())["schema"].startswith("gate/")
    assert (work / "out.html").read_text().startswith("<!doctype html>")
    assert done.stdout
    assert not done.stdout.startswith(("{", "<"))
    alone = gate(*arguments, "-f", "text", folder=work)
    assert done.stdout == alone.stdout
    several = gate(*arguments, "-f", "json", "-o", "a", "-o", "b", folder=work)
    assert (several.returncode, several.stdout) == (2, "")


def test_variables_hold_pairs_too(work: Path) -> None:
    changes = {"GATE_FORMAT": "json csv", "GATE_OUTPUT": f"a.json{os.pathsep}a.csv"}
    done = gate("analyze", "model.safetensors", folder=work, changes=changes)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((work / "a.json").read_text())["schema"] == "gate/analysis/1"
    assert len((work / "a.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("arguments", [["policy", "explain", "passes.yaml"], ["policy", "schema"]])
def test_one_output_takes_one_file(work: Path, arguments: list[str]) -> None:
    done = gate(*arguments, "-o", "a", "-o", "b", folder=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (work / "a").exists()


@pytest.mark.parametrize("where", [["-f", "json", "-o", "out.json"], ["-f", "csv"]])
def test_what_no_report_on_stdout_says_is_said_on_stderr(work: Path, where: list[str]) -> None:
    blocked = gate("check", "model.safetensors", "-p", "blocks.yaml", *where, folder=work)
    assert blocked.returncode == 1
    assert "gate: Blocked: model.safetensors; failed rules: few-layers\n" in blocked.stderr
    audited = gate("check", "model.safetensors", "-p", "audits.yaml", *where, folder=work)
    assert audited.returncode == 0
    assert "gate: AUDIT MODE: policy audits refuses nothing." in audited.stderr
    assert "gate: Would be blocked (audit mode): model.safetensors" in audited.stderr
    assert "few-layers" in audited.stderr
    for policy in ("blocks", "audits"):
        quiet = gate("check", "model.safetensors", "-p", f"{policy}.yaml", "-q", *where, folder=work)
        assert quiet.stderr == ""
    assert gate("check", "model.safetensors", "-p", "passes.yaml", *where, folder=work).stderr == ""
    assert gate("check", "model.safetensors", "-p", "blocks.yaml", folder=work).stderr == ""


def test_a_time_to_wait_needs_something_to_wait_for(work: Path) -> None:
    arguments = ["check", "model.safetensors", "-p", "passes.yaml"]
    done = gate(*arguments, "--timeout", "5m", folder=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--wait" in done.stderr
    assert gate(*arguments, folder=work, changes={"GATE_TIMEOUT": "1h"}).returncode == 0
