"""Tables of figures: which column is what, and hostile ones refused with their line."""

from __future__ import annotations

import pytest

from gate.errors import UsageError
from gate.study.columns import parse_table, roles, rows_of


def _roles(text: str, *taken: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    table = parse_table(text.encode(), "t.csv")
    numeric = {name: values for name in table.columns if (values := table.numbers(name)) is not None}
    found = roles(table, numeric, taken)
    return found.metrics, found.notes


def test_columns_called_as_the_engines_metrics_are_the_metrics() -> None:
    metrics, notes = _roles(
        "model,model.alpha,log_spectral_norm,width,acc\na,2.5,1,64,0.9\nb,3,2,64,0.8\n", "acc"
    )
    assert metrics == ("model.alpha", "log_spectral_norm")
    assert notes == ("Not taken for metrics (--metric NAME takes them): width.",)


def test_without_them_every_number_is_one_but_those_that_count_the_models() -> None:
    metrics, notes = _roles("name,number,a,b,acc\nx,1,0.5,2,1\ny,2,0.25,2,2\n", "acc")
    assert metrics == ("a", "b")
    assert notes == ("Taken for numbers of models, not for metrics: number.",)


def test_rows_have_bare_metrics_labels_and_qualities() -> None:
    table = parse_table(b"model,depth,model.alpha,acc\nx,3,2.5,0.9\ny,,,0.8\n", "t.csv")
    numeric = {name: values for name in table.columns if (values := table.numbers(name)) is not None}
    first, second = rows_of(table, ("model.alpha",), numeric)
    assert (first.model, first.metrics, first.qualities["acc"]) == ("x", {"alpha": 2.5}, 0.9)
    assert first.labels["depth"] == "3"
    assert (second.metrics, second.labels.get("depth")) == ({"alpha": None}, None)


def test_rows_without_a_name_go_by_their_number() -> None:
    assert parse_table(b"a,b\n1,2\n3,4\n", "t.csv").names() == ("row 1", "row 2")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2.5e-3", ".5"], (1.0, -0.0025, 0.5)),
        (["1", "", "NaN"], (1.0, None, None)),
        (["1", "inf", "1e999"], (1.0, None, None)),
        (["1", "x"], None),
        (["", ""], None),
        (["0x10", "1"], None),
        (["1_000", "1"], None),
        (["٣", "1"], None),
        (["9" * 5000, "1"], (None, 1.0)),
    ],
)
def test_only_plain_numbers_are_numbers(cells: list[str], expected: tuple[float | None, ...] | None) -> None:
    text = "a,b\n" + "".join(f"{cell},x\n" for cell in cells)
    assert parse_table(text.encode(), "t.csv").numbers("a") == expected


def test_excels_mark_and_quotes_are_read() -> None:
    table = parse_table('\ufeffmodel,a\r\n"x, ""y""",1\r\n\r\nz,2\r\n'.encode(), "t.csv")
    assert table.columns == ("model", "a")
    assert table.names() == ('x, "y"', "z")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "t.csv is empty"),
        (b"a,b\n1\n", "t.csv:2: 1 cells where the header has 2"),
        (b"a,b\n1,2\n1,2,3\n", "t.csv:3: 3 cells"),
        (b"a,a\n1,2\n", "t.csv:1: two columns are called 'a'"),
        (b"a,,b\n1,2,3\n", "t.csv:1: a column has no name"),
        (b"a;b\n1;2\n", "t.csv:1: semicolons"),
        (b'a,b\n"1,2\n', "no CSV"),
        (b"\xff\xfe\x00", "t.csv is not UTF-8"),
        (b"a," + b"b" * 200_000 + b"\n1,2\n", "no CSV"),
        (",".join(map(str, range(3000))).encode() + b"\n", "3000 columns"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_table(data, "t.csv")


def test_a_table_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.study.columns.MOST_BYTES", 10)
    with pytest.raises(UsageError, match="has more than"):
        parse_table(b"a,b\n1,2\n1,2\n", "t.csv")
