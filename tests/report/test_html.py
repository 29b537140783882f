"""The HTML report: nothing that runs, nothing that leaves the page, names as text, small enough."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import re
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from gate.policy.interface import HistoryPoint, RuleLayer, Verdict
from gate.report import render_analysis, render_verdict
from gate.report.html.explanations import FIGURES, VIEWS
from gate.report.html.layer_plots import density_plot, distance_plot, survival_plot
from gate.report.html.linear_plots import linear_plot, log_linear_plot
from gate.report.html.model_plots import Mark, depth_plot
from gate.report.html.spectrum import Bins, bins_of, fit_of
from gate.report.html.svg import Axis, element
from gate.report.html.trend_plot import TrendPoint, trend_line, trend_plot
from gate.spectra.interface import LayerPlot
from gate.text import printable
from tests.report import samples

VOID = {"meta", "br", "wbr", "img", "link", "input", "hr", "path", "circle", "rect"}
ALLOWED_ATTRIBUTES = {
    "id", "class", "lang", "charset", "content", "http-equiv", "name", "href", "role", "tabindex", "scope",
    "colspan", "open", "viewbox", "width", "height", "d", "x", "y", "cx", "cy", "r", "patternunits",
    "aria-label", "aria-labelledby", "aria-hidden",
}  # fmt: skip
FORBIDDEN = {"script", "iframe", "object", "embed", "link", "img", "image", "base", "form", "foreignobject"}


class Page(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self.open: list[str] = []
        self.headings: list[int] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


@pytest.fixture(scope="module", params=[*samples.VERDICTS, "analysis"])
def html(request: pytest.FixtureRequest) -> str:
    if request.param == "analysis":
        return render_analysis(samples.transformer(), "html")
    return render_verdict(samples.VERDICTS[request.param](), "html")


def test_nothing_runs_and_nothing_leaves_the_page(html: str) -> None:
    page = Page(html)
    assert not page.open, "every element is closed"
    assert not FORBIDDEN & set(page.tags)
    assert {name for _, name, _ in page.attributes} <= ALLOWED_ATTRIBUTES, (
        "no on*, style, src, srcset, xlink:href"
    )
    assert all(re.fullmatch(r"#[a-z0-9_-]+", href) for href in page.values("href"))
    assert page.comments == []
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(styles) == 1
    assert "@import" not in styles[0]
    assert set(re.findall(r"url\(([^)]*)\)", styles[0])) <= {"#hatch"}


def test_the_security_policy_allows_this_style_and_nothing_else(html: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]
    expected = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(value for value in Page(html).values("content") if "default-src" in value)
    directives = dict(entry.strip().split(" ", 1) for entry in policy.split(";"))
    assert directives == {
        "default-src": "'none'",
        "style-src": f"'sha256-{expected}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_anchors_are_unique_and_every_reference_has_its_target(html: str) -> None:
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [href.removeprefix("#") for href in page.values("href")] + page.values("aria-labelledby")
    assert set(targets) <= set(ids)


def test_a_screen_reader_finds_its_way(html: str) -> None:
    page = Page(html)
    assert ("html", "lang", "en") in page.attributes
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert {"header", "main", "title"} <= set(page.tags)
    described = re.findall(r'<svg [^>]*role="img"[^>]*>(.{0,40})', html)
    assert all(start.startswith("<title>") for start in described)
    plain = re.findall(r"<svg (?![^>]*role=)[^>]*>", html)
    assert all('aria-hidden="true"' in tag or 'viewBox="0 0 12 12"' in tag for tag in plain)


def test_hostile_names_show_as_text_only() -> None:
    page = Page(render_verdict(samples.hostile(), "html"))
    text = "".join(page.text)
    for name in samples.HOSTILE_NAMES:
        assert printable(name) in text
    assert not any("alert" in value for tag, _, value in page.attributes if tag != "a")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b]", text)
    assert "49" not in text.split("{{ 7 * 7 }}")[1][:20]


def test_above_the_fold_says_what_failed_and_what_to_do() -> None:
    html = render_verdict(samples.blocked(), "html")
    text = " ".join("".join(Page(html).text).split())
    order = ["What failed", "layer-alpha-in-range", "within 2 to 6", "6.634", "What to do next"]
    order += [
        "gate policy explain",
        "Since the baseline",
        "alias:champion",
        "Histogram of alphas",
        "Coverage",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_audit_mode_is_said_loudly() -> None:
    html = render_verdict(samples.blocked("audit"), "html")
    assert "Would be blocked (audit mode)" in html
    assert "AUDIT MODE: policy production refuses nothing." in html


@pytest.mark.parametrize(("layers", "most"), [(100, 2_000_000), (1000, 8_000_000)])
def test_size(layers: int, most: int) -> None:
    """The worst case: every layer fails, has a shuffled spectrum and a baseline."""
    html = render_verdict(worst_case(layers), "html")
    assert len(html.encode()) < most
    drawn = html.count("<title>Spectrum, log-log</title>")
    assert drawn == (100 if layers == 100 else 40)
    assert html.count('<path id="spark-') == layers
    for view in ("Spectrum, linear", "Spectrum, log-linear", "Survival function, log-log"):
        assert html.count(f"<title>{view}</title>") == 40
    assert html.count('href="#row-') == 8 * layers
    if layers == 1000:
        assert "960 layers have only the small curve" in html


def worst_case(layers: int) -> Verdict:
    verdict = samples.many(layers)
    assert verdict.analysis is not None
    names = [row.name for row in verdict.analysis.layers]
    failing = dataclasses.replace(verdict.rules[0], layers=tuple(RuleLayer(name, 9.0) for name in names))
    plots = {
        name: dataclasses.replace(plot, shuffled=plot.counts) for name, plot in verdict.analysis.plots.items()
    }
    history = tuple(HistoryPoint(version, "blocked", 3.0, 4.0, "2026-01-02") for version in range(1, 51))
    return dataclasses.replace(
        verdict,
        rules=(failing, *verdict.rules[1:]),
        analysis=dataclasses.replace(verdict.analysis, plots=plots),
        baseline_alpha=dict.fromkeys(names, 2.5),
        history=history,
    )


def test_every_failing_flagged_or_extreme_layer_has_the_papers_four_views() -> None:
    """Figure 1 of arXiv:2106.00734: log-log (density and survival), linear, log-linear, D over x_min."""
    html = render_verdict(samples.blocked(), "html")
    drawn = re.findall(r'<article class="layer (?!small)[^"]*".*?</article>', html, re.DOTALL)
    assert len(drawn) >= len(samples.DAMAGED)
    for article in drawn:
        titles = re.findall(r'role="img" class="plot"[^>]*><title>([^<]*)</title>', article)
        assert titles == [
            "Spectrum, log-log",
            "Survival function, log-log",
            "Spectrum, linear",
            "Spectrum, log-linear",
            "KS distance over x_min",
        ]


def test_every_view_and_figure_is_explained_in_two_sentences_with_its_source() -> None:
    html = render_verdict(samples.blocked(), "html")
    for item in (*FIGURES, *VIEWS):
        assert item.meaning.count(".") - len(re.findall(r"fig\.|eq\.|\d\.\d", item.meaning)) == 1, item.figure
        assert item.trust.endswith(".")
        assert item.source
        assert str(escape(item.trust)) in html
    titles = set(re.findall(r'class="plot"[^>]*><title>([^<]*)</title>', html))
    assert {"Spectrum, linear", "Spectrum, log-linear", "KS distance over x_min"} <= titles
    assert {title for title in titles if title.startswith("Spectrum,")} <= {item.figure for item in VIEWS}


def test_the_table_of_layers_comes_in_other_orders() -> None:
    verdict = samples.blocked()
    assert verdict.analysis is not None
    html = render_verdict(verdict, "html")
    sections = dict(
        re.findall(r'<details name="order"><summary>([^<]*)</summary>(.*?)</details>', html, re.DOTALL)
    )
    assert len(sections) == 8
    rows = verdict.analysis.layers
    expected = {
        "by alpha, highest first": sorted(range(len(rows)), key=lambda i: -(rows[i].alpha or 0)),
        "by stable rank, lowest first": sorted(range(len(rows)), key=lambda i: rows[i].stable_rank or 0),
        "by name": sorted(range(len(rows)), key=lambda i: rows[i].name),
    }
    for title, order in expected.items():
        anchors = [int(number) - 1 for number in re.findall(r'href="#row-(\d+)"', sections[title])]
        assert anchors == order, title
    moves = re.findall(
        r"<td>([+-][\d.e-]+|0)</td>", sections["by change of alpha since the baseline, largest first"]
    )
    sizes = [abs(float(move)) for move in moves]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1
    assert len(sizes) == len(rows)


def test_the_family_is_shown_with_this_version_last() -> None:
    verdict = samples.blocked()
    assert verdict.analysis is not None
    page = render_verdict(verdict, "html")
    section = page[page.index('id="family-title"') :].partition("</section>")[0]
    versions = re.findall(r'<th scope="row" class="n">(\d+)</th>', section)
    assert versions == ["4", "3", "2", "1"], "the source is models:/fraud-encoder/4"
    assert "no decision" in section
    assert section.count('class="this"') == 2, "ringed in both plots"
    assert "Earlier versions" not in render_verdict(samples.passed(), "html")


def test_trend_plot_puts_values_where_they_belong() -> None:
    points = [
        TrendPoint(1, 1.0, "passed"),
        TrendPoint(2, None, None),
        TrendPoint(3, 3.0, "blocked", current=True),
    ]
    svg = str(trend_plot(points, "alpha"))
    path = re.findall(r'class="trend" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', svg)
    x_one, y_one, x_three, y_three = map(float, path[0])
    frame = (420.0 / 3, 152.0 / 2.6)  # three versions over 420 pixels, 1 to 3 with 15 % margins over 152
    assert (x_three - x_one) == pytest.approx(2 * frame[0], abs=0.2)
    assert (y_one - y_three) == pytest.approx(2 * frame[1], abs=0.2)
    assert [">1<" in svg, ">2<" in svg, ">3<" in svg] == [True] * 3
    assert trend_plot(points[:2], "alpha") is None
    assert trend_plot([TrendPoint(1, 1e308, None), TrendPoint(2, -1e308, None)], "alpha") is None
    assert trend_line([1.0, None, 1.0]) is not None
    assert trend_line([1.0, math.nan]) is None


def test_linear_views_keep_the_area() -> None:
    """Over any bins, the heights times the widths sum to the share of eigenvalues in them."""
    _, plot = samples.layer("area", "dense", (256, 256), 3.0)
    bins = bins_of(plot)
    assert bins is not None
    decades = [math.log10(high / low) for low, high in zip(bins.edges, bins.edges[1:], strict=False)]
    heights = bins.per_decade(bins.counts)
    assert sum(h * w for h, w in zip(heights, decades, strict=True)) == pytest.approx(1.0)
    even = bins.even(bins.counts, bins.edges[-1], 48)
    assert sum(even) * bins.edges[-1] / 48 == pytest.approx(1.0)
    limit = bins.edges[20]
    part = bins.even(bins.counts, limit, 48)
    assert sum(part) * limit / 48 == pytest.approx(sum(bins.counts[:20]) / bins.total)
    assert bins.quantile(1.0) == bins.edges[-1]
    middle = bins.edges.index(bins.quantile(0.5))
    assert sum(bins.counts[: middle - 1]) < bins.total / 2 <= sum(bins.counts[:middle])


def test_the_linear_view_says_what_lies_beyond_it() -> None:
    row, plot = samples.layer("heavy", "dense", (256, 256), 2.0)
    bins = bins_of(plot)
    assert bins is not None
    svg = str(linear_plot(row, plot))
    beyond = int(re.findall(r">(\d+) more →<", svg)[0])
    edge = bins.edges.index(bins.quantile(0.98))
    assert beyond == sum(bins.counts[edge:]) > 0
    assert f"{beyond} eigenvalue" in svg


def test_the_fitted_line_has_the_slope_of_the_power_law() -> None:
    """On log-log axes density falls with slope -alpha and the survival function with 1 - alpha."""
    row, plot = samples.layer("slope", "dense", (256, 256), 3.0)
    bins = bins_of(plot)
    assert bins is not None
    fit = fit_of(row, bins)
    assert fit is not None
    assert row.alpha is not None
    rise = math.log(fit.density(fit.x_max) / fit.density(fit.x_min)) / math.log(fit.x_max / fit.x_min)
    assert rise == pytest.approx(-row.alpha)
    assert fit.survival(fit.x_min) == pytest.approx((row.tail_size or 0) / 160)
    tail = math.log(fit.survival(fit.x_max) / fit.share) / math.log(fit.x_max / fit.x_min)
    assert tail == pytest.approx(1 - row.alpha)


def test_density_integrates_to_one_and_survival_counts_down() -> None:
    _, plot = samples.layer("area", "dense", (256, 256), 3.0)
    bins = bins_of(plot)
    assert bins is not None
    widths = [
        high - low for low, high, count in zip(bins.edges, bins.edges[1:], bins.counts, strict=False) if count
    ]
    area = sum(height * width for (_, height), width in zip(bins.density(bins.counts), widths, strict=True))
    assert area == pytest.approx(1.0)
    assert bins.survival()[0][1] == 1.0
    assert bins.survival()[-1][1] == pytest.approx(bins.counts[-1] / bins.total)


def test_marchenko_pastur_curve_follows_noise() -> None:
    """Drawn over quantiles of the same law, the median bin lies within 12 of the panel's 154 pixels."""
    row, plot = samples.layer("noise", "dense", (512, 128), 3.0, noisy=True)
    svg = str(density_plot(row, plot))
    curve = [
        tuple(map(float, pair.split())) for pair in re.findall(r'class="mp" d="M([^"]*)"', svg)[0].split("L")
    ]
    dots = [tuple(map(float, pair)) for pair in re.findall(r"M([\d.]+) ([\d.]+)h0", svg)]
    near = [min(abs(y - other) for x_other, other in curve if abs(x - x_other) < 6) for x, y in dots[3:-3]]
    assert sorted(near)[len(near) // 2] < 12


@pytest.mark.parametrize(
    "plot",
    [
        None,
        LayerPlot((), ()),
        LayerPlot((1.0, 2.0), (1, 2)),
        LayerPlot((2.0, 1.0), (3,)),
        LayerPlot((0.0, 1.0), (3,)),
        LayerPlot((1.0, math.nan), (3,)),
        LayerPlot((1.0, math.inf), (3,)),
        LayerPlot((1.0, 2.0), (0,)),
        LayerPlot((1.0, 2.0, 3.0), (4, -1)),
        LayerPlot((5e-324, 1e308), (3,)),
    ],
)
def test_an_inconsistent_plot_is_not_drawn(plot: LayerPlot | None) -> None:
    row, _ = samples.layer("base", "dense", (64, 64), 3.0)
    assert density_plot(row, plot) is None
    assert survival_plot(row, plot) is None
    assert linear_plot(row, plot) is None
    assert log_linear_plot(row, plot) is None
    assert distance_plot(row, plot) is None


@pytest.mark.parametrize(
    "edges", [(1e-289, 2e-289, 1e289), (1e289, 2e289, 3e289), (1e-289, 1e-10, 1.0, 1e280)]
)
def test_extreme_scales_are_drawn_with_finite_coordinates(edges: tuple[float, ...]) -> None:
    row, _ = samples.layer("base", "dense", (64, 64), 3.0)
    plot = LayerPlot(edges, (3,) * (len(edges) - 1), shuffled=(1,) * (len(edges) - 1))
    for view in (density_plot, survival_plot, linear_plot, log_linear_plot):
        drawn = str(view(row, plot))
        assert "nan" not in drawn
        assert "inf" not in drawn


def test_depth_plot_marks_states_by_shape() -> None:
    states = (
        ("failing", 7.0),
        ("flagged", 3.0),
        ("unfitted", None),
        ("plain", 2.5),
        ("apart", 3.0),
        ("failing", 40.0),
    )
    marks = [Mark(i, "n", alpha, None, None, state, None) for i, (state, alpha) in enumerate(states, 1)]  # type: ignore[arg-type]
    pattern = r'<path class="(?:failing|flagged|unfitted|apart|plain)" d="M[\d.]+ [\d.]+([^"]*)"'
    shapes = re.findall(pattern, str(depth_plot(marks, (2.0, None))))
    assert len(set(shapes)) == 6, "one shape per state, and an arrow for what is off the scale"
    assert depth_plot([marks[2]], None) is None


def test_axes_map_ends_to_ends_and_label_decades() -> None:
    axis = Axis(0.01, 100.0, 10.0, 90.0, logarithmic=True)
    assert (axis(0.01), axis(1.0), axis(100.0)) == pytest.approx((10.0, 50.0, 90.0))
    assert [label for _, label in axis.ticks()] == ["10⁻²", "10⁻¹", "10⁰", "10¹", "10²"]
    assert [label for _, label in Axis(0.0, 1.0, 0.0, 1.0).ticks()] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert Axis(3.0, 3.0, 0.0, 10.0)(3.0) == 5.0


def test_elements_escape_children_and_attributes() -> None:
    assert str(element("a", "<b>", href='"><i>')) == '<a href="&#34;&gt;&lt;i&gt;">&lt;b&gt;</a>'


def test_bins_refuse_shuffled_counts_of_another_length() -> None:
    bins = bins_of(LayerPlot((1.0, 2.0, 4.0), (1, 2), shuffled=(1,)))
    assert bins == Bins((1.0, 2.0, 4.0), (1, 2), (), 3)
