"""A page of text, for a pipe or a terminal: lines and tables, drawn by rich into a string."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType


class TextPage:
    """Collects lines and tables; a thin wrapper of a rich console that writes into a string."""

    def __init__(self, color: bool, width: int) -> None:  # noqa: FBT001 - private, called by name above
        from rich.console import Console  # noqa: PLC0415 - 60 ms that other formats do not need

        self.width = max(width, 40)
        self._buffer = io.StringIO()
        self._console: Console = Console(
            file=self._buffer,
            force_terminal=color,
            force_interactive=False,
            force_jupyter=False,
            color_system="standard" if color else None,
            no_color=not color,
            width=self.width,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )

    def line(self, words: str = "", style: str = "", *, indent: int = 0) -> None:
        """Add one line of prose, never wrapped."""
        from rich.text import Text  # noqa: PLC0415 - as above

        self._console.print(Text(" " * indent + words, style=style), soft_wrap=True)

    def heading(self, words: str) -> None:
        """Add a heading."""
        self.line()
        self.line(words, "bold")

    def section(self, title: str, lines: tuple[str, ...]) -> None:
        """Add a heading and its lines, unless there are none."""
        if lines:
            self.heading(title)
            for words in lines:
                self.line(words, indent=2)

    def table(self, columns: tuple[tuple[str, bool], ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Add a table; columns are (title, is a number); long cells are folded, never cut."""
        from rich.padding import Padding  # noqa: PLC0415 - as above
        from rich.table import Table  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for place, (title, is_number) in enumerate(columns):
            table.add_column(
                Text(title),
                justify="right" if is_number else "left",
                overflow="fold",
                no_wrap=is_number,
                min_width=None if is_number else min(24, max(len(row[place]) for row in rows) if rows else 0),
            )
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        padded: RenderableType = Padding(table, (0, 0, 0, 2))
        self._console.print(padded)

    def text(self) -> str:
        """Return everything, without trailing spaces."""
        return (
            "".join(f"{line.rstrip()}\n" for line in self._buffer.getvalue().split("\n")).rstrip("\n") + "\n"
        )
