"""Calibrating from real releases on disk: against checks made one by one, and with what goes wrong."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from gate.errors import ModelError, NothingToMeasureError, UsageError
from gate.study.calibrate.truth import Held, QualityRule
from gate.workflow.calibrate import Choices, history_request, run_backtest, run_calibration
from gate.workflow.calibrate_history import registered_name
from gate.workflow.calibrate_promotions import holders
from gate.workflow.check import CheckRequest, check_source
from tests.models import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from gate.study.calibrate import Backtest

RELEASES = ("5.1", "6.0.0", "6.2.0")


def paths() -> dict[str, Path]:
    return {release: fetch("silero-vad", release, "silero_vad/data/silero_vad.onnx") for release in RELEASES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three releases, the names in the order of time; and something that is no model."""
    place = tmp_path_factory.mktemp("releases")
    for number, path in enumerate(paths().values(), 9):
        shutil.copy(path, place / f"v{number}.onnx")  # v9, v10, v11: not the order of letters
    (place / "v12.onnx").write_bytes(b"\x08\x07 no model")
    return place


@pytest.fixture(scope="module")
def replayed(folder: Path) -> Backtest:
    from pathlib import Path  # noqa: PLC0415

    request = history_request([str(folder)], Choices())
    return run_backtest(request, [Path("default"), Path("strict")])


def test_a_backtest_decides_as_checks_with_the_baselines_of_the_time(replayed: Backtest) -> None:
    from pathlib import Path  # noqa: PLC0415

    files = dict(zip(("v9.onnx", "v10.onnx", "v11.onnx"), paths().values(), strict=True))
    for policy in replayed.policies:
        champion = "none"
        for row in policy.versions[:3]:
            request = CheckRequest(
                str(files[row.name]), policies=(Path(policy.policy),), baselines=(champion,)
            )
            verdict = check_source(request).verdict
            assert row.outcome == verdict.outcome
            # A file has no version 1; a folder's files are counted.
            failed = {rule.id for rule in verdict.rules if rule.outcome == "failed"}
            assert set(row.failing) - {"no-slow-drift"} == failed - {"no-slow-drift"}
            if verdict.outcome in {"passed", "warned"}:
                champion = str(files[row.name])


def test_names_are_in_the_order_of_time_and_the_broken_one_is_named(replayed: Backtest) -> None:
    (default, _) = replayed.policies
    assert [row.name for row in default.versions] == ["v9.onnx", "v10.onnx", "v11.onnx", "v12.onnx"]
    assert default.versions[3].outcome == "error"
    assert [one.version for one in replayed.unreadable] == ["v12.onnx"]
    assert default.false_refusals.of == 3
    assert any("order of names" in note for note in replayed.notes)


def test_each_version_is_measured_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path  # noqa: PLC0415

    import gate.workflow.measure as measuring  # noqa: PLC0415

    seen: list[str] = []
    real = measuring.measure

    def counted(located: Any, *rest: Any) -> Any:
        seen.append(located.resolved.uri)
        return real(located, *rest)

    monkeypatch.setattr(measuring, "measure", counted)
    steps: list[tuple[str, int, int]] = []
    run_backtest(
        history_request([str(folder)], Choices()),
        [Path("default"), Path("llm")],
        lambda *step: steps.append(step),
    )
    assert len(seen) == len(set(seen)) == 4
    assert [step for step in steps if step[0] == "Measuring versions"][-1] == ("Measuring versions", 4, 4)


def test_a_table_tells_fates_and_quality(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "known.csv"
    table.write_text("name,fate,acc\nv9.onnx,promoted,0.9\nv10.onnx,Rolled-back,0.8\nv11.onnx,,0.4\n")
    choices = Choices(quality="acc", bad_beyond=0.5, good="promoted", table=table)
    found = run_calibration(history_request([str(folder)], choices))
    assert found.truth.good == ("v9.onnx",)
    assert found.truth.bad == ("v10.onnx", "v11.onnx")
    assert not found.enough
    assert found.needed == 19
    assert [row.quality for row in found.versions] == [0.9, 0.8, 0.4, None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,fate\nv9.onnx,gone\n", "'gone'"),
        ("name,fate\nother.onnx,promoted\n", "no row"),
        ("name,fate\nv9.onnx\n", "1 cells"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(
    folder: Path, tmp_path: Path, content: str, message: str
) -> None:
    table = tmp_path / "known.csv"
    table.write_text(content)
    with pytest.raises(UsageError, match=message):
        run_calibration(history_request([str(folder)], Choices(table=table)))


def test_a_quality_that_no_version_has_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no version has a quality called 'acc'"):
        run_calibration(history_request([str(folder)], Choices(quality="acc")))


def test_what_cannot_be_asked_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="without a quality"):
        history_request(["x"], Choices(bad_beyond=0.5))
    with pytest.raises(UsageError, match="higher or lower"):
        history_request(["x"], Choices(quality="acc", better="up"))
    with pytest.raises(UsageError, match="no share"):
        run_calibration(history_request(["x"], Choices()), target=1.5)
    with pytest.raises(UsageError, match="no history"):
        registered_name("models:/net/3")


def test_the_direction_of_a_quality_comes_from_its_name() -> None:
    assert history_request(["x"], Choices(quality="val_loss")).quality == QualityRule(
        "val_loss", lower_is_better=True
    )
    assert history_request(["x"], Choices(quality="run.metrics.acc")).quality == QualityRule("acc")


def test_nothing_there_and_nothing_readable_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToMeasureError, match="no version"):
        run_calibration(history_request([str(tmp_path / "empty")], Choices()))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.onnx").write_bytes(b"\x08\x07 no model")
    with pytest.raises(ModelError):
        run_calibration(history_request([str(broken)], Choices()))


def test_a_policy_that_governs_none_of_them_decides_nothing(folder: Path, tmp_path: Path) -> None:
    policy = tmp_path / "other.yaml"
    policy.write_text(
        "version: 1\nname: other\nmatch: {models: [fraud]}\nrules:\n  - {id: a, description: b, "
        "metric: model.alpha, at_most: 9}\n"
    )
    # A file has no name as a registered model, so that no glob excludes it.
    found = run_backtest(history_request([str(folder)], Choices()), [policy])
    assert len(found.policies[0].versions) == 4


def test_an_enforcing_registrys_own_history_tells_who_held_an_alias(tmp_path: Path) -> None:
    from gate.registry.enforcement.tables.database import open_database  # noqa: PLC0415 - brings SQLAlchemy
    from gate.registry.enforcement.tables.interface import AliasHeld, VersionKey  # noqa: PLC0415 - as above
    from gate.registry.enforcement.tables.records import record_alias  # noqa: PLC0415 - as above
    from gate.registry.enforcement.tables.schema import metadata  # noqa: PLC0415 - as above

    uri = f"sqlite:///{tmp_path / 'registry.db'}"
    database = open_database(uri)
    created = {1: 10, 2: 20, 3: 30}
    assert holders(uri, "net", created) == ()  # a plain registry: no such table
    metadata.create_all(database.engine)
    with database.transaction() as session:
        for version, time, alias in ((1, 10, "champion"), (2, 19, "champion"), (3, 30, "stage:production")):
            record_alias(session, AliasHeld(VersionKey("", "net", version, time), alias, (), "decision", 5))
        record_alias(session, AliasHeld(VersionKey("", "other", 1, 10), "champion", (), "decision", 6))
    # Version 2 that held the alias was another of that number, made at another time.
    expected = (Held(1, "champion"), Held(3, "", "production"))
    assert holders(uri, "net", created) == expected
    assert holders(f"gate:{uri}", "net", created) == expected
    assert holders("http://127.0.0.1:9", "net", created) == ()
