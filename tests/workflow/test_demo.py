"""The demonstration tells its story, and the README quotes it word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.workflow.demo import run_demo
from gate.workflow.sources import RegistryAddress, connect

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    return folder, "\n".join(run_demo(folder))


def test_the_champion_moves_only_where_it_may(story: tuple[Path, str]) -> None:
    folder, _ = story
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = connect(RegistryAddress(uri, uri)).connection.client
    outcomes = {
        int(version.version): version.tags["gate.outcome"]
        for version in client.search_model_versions("name = 'silero-vad'")
    }
    champion = int(client.get_model_version_by_alias("silero-vad", "champion").version)
    assert outcomes[4] == "blocked"
    assert outcomes[champion] in {"passed", "warned"}
    assert champion == max(number for number, outcome in outcomes.items() if outcome in {"passed", "warned"})


def test_the_damaged_layers_are_named(story: tuple[Path, str]) -> None:
    _, told = story
    last = told.split("── version 4")[1]
    assert "no-layer-lost" in last
    assert "else_branch.decoder.rnn.weight_ih[input]  (baseline heavy-tailed)" in last


def test_the_readme_quotes_it(story: tuple[Path, str]) -> None:
    _, told = story
    told = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", told)
    told = re.sub(r"run [0-9a-f]{32}", "run ID", told)
    quoted = README.read_text(encoding="utf-8").split("<!-- demo -->\n```text\n")[1].split("\n```")[0]
    said = told.splitlines()
    lines = [line for line in quoted.splitlines() if line]
    assert len(lines) > 10
    assert [line for line in lines if line not in said] == []
    assert "was 4.543 fails" in told
    assert "5.624, was" in told


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        list(run_demo(tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
