"""From the registry to the report in MLflow's own pages, by clicking, in a real browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pytest

from tests.cli.command import gate
from tests.mlflow_server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page

pytestmark = pytest.mark.browser

MODEL = "fraud encoder"
NEIGHBOUR = "a blocked encoder"
"""Another model of the same registry, whose newest version is blocked: lists show it above ours."""
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)'
PATIENCE = 60_000
"""Milliseconds: MLflow's pages are several megabytes of script, and this machine may be busy."""


def write_model(path: Path, seed: int, *, damaged: bool) -> None:
    """Write an ONNX model of four matrices with heavy tails; damaged, two of them are noise."""
    import onnx  # noqa: PLC0415 - 100 ms that the other tests here do not need
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    draw = np.random.default_rng(seed)
    names = ["encoder.0.weight", "encoder.1.weight", f"encoder.{HOSTILE}.weight", "head.weight"]
    nodes, tensors, size = [], [], 160
    for place, name in enumerate(names):
        left, right = (np.linalg.qr(draw.normal(size=(size, size)))[0] for _ in range(2))
        values = np.sort((1 - draw.random(size)) ** (-1 / 2))  # singular values; the spectrum has alpha 2
        matrix = draw.normal(size=(size, size)) if damaged and place in (1, 2) else (left * values) @ right
        tensors.append(numpy_helper.from_array(matrix.astype(np.float32), name))
        nodes.append(helper.make_node("MatMul", [f"x{place}", name], [f"x{place + 1}"]))
    ends = (
        helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, size]) for end in ("x0", f"x{len(names)}")
    )
    start, end = ends
    graph = helper.make_graph(nodes, "encoder", [start], [end], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


@pytest.fixture(scope="module")
def registered(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two checked versions of one model, the second damaged, and one that nobody checked.

    They are on a server of their own: its pages list what other tests register, too.
    """
    with running_server(tmp_path_factory.mktemp("mlflow-ui")) as address:
        _register(address, tmp_path_factory)
        yield address


def _register(address: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    client = mlflow.MlflowClient(address, address)
    experiment = client.create_experiment("training of the fraud encoder")
    client.create_registered_model(MODEL)
    client.create_registered_model(NEIGHBOUR)
    for number, damaged in enumerate((False, True, False), start=1):
        folder = tmp_path_factory.mktemp(f"version-{number}")
        write_model(folder / "model.onnx", seed=number, damaged=damaged)
        (folder / "MLmodel").write_text("flavors:\n  onnx:\n    data: model.onnx\n")
        run = client.create_run(experiment)
        client.log_artifacts(run.info.run_id, str(folder), "model")
        for name in (MODEL, NEIGHBOUR) if damaged else (MODEL,):
            client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    for version, baseline in (
        (f"{MODEL}/1", "none"),
        (f"{MODEL}/2", "version:1"),
        (f"{NEIGHBOUR}/1", "none"),
    ):
        done = gate(
            *("check", f"models:/{version}", "--baseline", baseline),
            changes={"MLFLOW_TRACKING_URI": address},
        )
        assert done.returncode in (0, 1), done.stderr
    assert client.get_model_version(NEIGHBOUR, "1").tags["gate.outcome"] == "blocked"
    assert client.get_model_version(MODEL, "2").tags["gate.outcome"] == "blocked"


@dataclass
class Visit:
    """A browser context, and what its pages complained of."""

    context: BrowserContext
    said: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        news = page.get_by_role("dialog").first  # MLflow greets a new visitor with what is new
        page.add_locator_handler(news, lambda found: found.get_by_role("button", name="Close").click())
        page.on("console", lambda message: self.said.append(f"{message.location.get('url')}: {message.text}"))
        page.on("dialog", lambda dialog: self.said.append(f"blob: a dialog: {dialog.message}"))

    def complaints(self) -> list[str]:
        """Return what our report gave rise to; MLflow's own pages complain of their own."""
        ours = re.compile(r"blob:|content security policy|refused to|sandbox|about:srcdoc", re.IGNORECASE)
        return [line for line in self.said if ours.search(line)]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    found = Visit(context)
    context.on("page", found.watch)
    yield found
    context.close()


def open_report(visit: Visit, address: str, version: int, outcome: str) -> tuple[Page, FrameLocator]:
    """Click from the list of models to a version's report; return the page and the report's frame."""
    page = visit.context.new_page()
    page.goto(f"{address}/#/models")
    page.get_by_role("link", name=MODEL, exact=True).click()
    page.get_by_role("link", name=f"Version {version}", exact=True).click()
    page.get_by_role("heading", name=f"Version {version}").wait_for()
    link = page.get_by_role("link", name=outcome, exact=True)
    with visit.context.expect_page() as opened:  # MLflow opens links of descriptions in a new tab
        link.click()
    report = opened.value
    return report, report.frame_locator("iframe")


def test_one_click_from_the_version_to_its_report(visit: Visit, registered: str) -> None:
    page, frame = open_report(visit, registered, 2, "blocked")
    frame.get_by_role("heading", name="Blocked").wait_for()
    assert re.search(r"/#/experiments/\d+/runs/[0-9a-f]{32}/artifacts/report\.html$", page.url)
    assert frame.get_by_text(f"models:/{MODEL}/2").first.is_visible()
    assert frame.get_by_role("heading", name="What failed").is_visible()
    assert frame.get_by_role("heading", name="Earlier versions of this model").count() == 1
    assert visit.complaints() == []


def test_a_hostile_layer_name_is_text_there(visit: Visit, registered: str) -> None:
    _, frame = open_report(visit, registered, 2, "blocked")
    name = frame.get_by_role("rowheader", name=HOSTILE).first
    name.wait_for()
    assert HOSTILE in name.inner_text()
    assert frame.locator("img, script").count() == 0
    assert visit.complaints() == []


def test_a_failing_layer_shows_its_spectrum_where_it_is_named(visit: Visit, registered: str) -> None:
    """Chromium follows no anchor in MLflow's sandboxed frame, so what matters must not need one."""
    _, frame = open_report(visit, registered, 2, "blocked")
    named = frame.locator(".culprits details").first
    picture = named.locator("svg.plot")
    named.wait_for()
    assert not picture.is_visible()
    named.locator("summary").click()
    assert picture.is_visible()
    drawn = named.locator("use").bounding_box()
    assert drawn is not None
    assert drawn["height"] > 100, "the referenced figure is really drawn"
    assert visit.complaints() == []


def test_mlflows_own_charts_show_the_trend(visit: Visit, registered: str) -> None:
    client = mlflow.MlflowClient(registered, registered)
    experiment = client.get_experiment_by_name(f"gate/{MODEL}")
    trend = client.search_runs([experiment.experiment_id], "tags.`gate.kind` = 'trend'")[0]
    points = client.get_metric_history(trend.info.run_id, "alpha")
    tags = {number: client.get_model_version(MODEL, str(number)).tags for number in (1, 2)}
    assert [point.step for point in points] == [1, 2]
    for point in points:
        assert point.value == pytest.approx(float(tags[point.step]["gate.alpha"]), rel=1e-5)
    page = visit.context.new_page()
    page.goto(f"{registered}/#/experiments/{experiment.experiment_id}/runs/{trend.info.run_id}/model-metrics")
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.get_by_text("alpha_weighted", exact=True).first.is_visible()


def test_history_links_lead_to_the_same_report(visit: Visit, registered: str, tmp_path: Path) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - only the browser tests have it

    target = tmp_path / "index.html"
    done = gate(
        *("history", "--all", "--format", "html", "-o", target), changes={"MLFLOW_TRACKING_URI": registered}
    )
    assert done.returncode == 0, done.stderr
    page = visit.context.new_page()
    page.goto(target.as_uri())
    entry = page.get_by_role("region", name="Table of all models").get_by_role("row").filter(has_text=MODEL)
    assert "not judged" in entry.inner_text(), "version 3, the newest, was never checked"
    versions = page.locator("section").filter(has=page.get_by_role("heading", name=MODEL, exact=True))
    versions.locator("summary").last.click()
    versions.get_by_role("link", name="blocked", exact=True).click()  # other models may stand above
    heading = page.frame_locator("iframe").get_by_role("heading", name="Blocked")
    expect(heading).to_be_visible(timeout=PATIENCE)  # which has the news of a first visit closed
    assert page.frame_locator("iframe").get_by_text(f"models:/{MODEL}/2").first.is_visible()
    assert visit.complaints() == []
