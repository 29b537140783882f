"""The code blocks of the documentation, and how to run those that are commands.

A comment just before a block says how it differs from "runs, and exits with 0":

``<!-- exits: 1 -->``
    What the last command of the block exits with.
``<!-- background: TEXT -->``
    Its last command goes on; the page does when its output holds TEXT.
``<!-- not run: REASON -->``
    For what no test can do; the reason is for the reader of the page's source.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT: Final = Path(__file__).parent.parent.parent
PAGES: Final = tuple(
    path.relative_to(ROOT).as_posix() for path in sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
)
SHELL: Final = frozenset({"console", "sh", "bash", "shell"})

_BLOCK: Final = re.compile(
    r"(?:^[ ]*<!-- (?P<note>[^\n]*?) -->\n\n?)?"
    r"^(?P<indent>[ ]*)```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)
REACHED_ITS_END: Final = "every command of the page ran"
"""What a script says last: one that a here-document swallowed the rest of ends well, and too soon."""

_WAIT_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; ``line`` is that of its first line of code, ``note`` the comment before it."""

    page: str
    line: int
    language: str
    code: str
    note: str

    @property
    def why_not(self) -> str | None:
        """Why it is not run, None where it is."""
        return self._after("not run")

    @property
    def exits(self) -> int:
        """What its last command exits with."""
        return int(self._after("exits") or 0)

    @property
    def background(self) -> str | None:
        """What its last command says once it is up, where that goes on."""
        return self._after("background")

    def _after(self, key: str) -> str | None:
        found, _, rest = self.note.partition(":")
        return rest.strip() if found == key else None


def blocks(page: str) -> tuple[Block, ...]:
    """Return every fenced block of a page, given relative to the repository."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return tuple(
        Block(
            page,
            text.count("\n", 0, found.start("code")) + 1,
            found["language"],
            re.sub(f"^{found['indent']}", "", found["code"], flags=re.MULTILINE),
            found["note"] or "",
        )
        for found in _BLOCK.finditer(text)
    )


def commands(block: Block) -> tuple[str, ...]:
    """Return the commands of a block: in ``console`` those after a ``$``, output left out."""
    lines = block.code.splitlines()
    if block.language == "console":
        lines = _prompted(lines)
    return _joined(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _prompted(lines: list[str]) -> list[str]:
    """Keep prompts and what goes on after them: a backslash, an open quote, a here-document."""
    kept: list[str] = []
    command = ""
    for line in lines:
        if command and (command.endswith("\\") or _is_open(command)):
            kept.append(line)
            command += f"\n{line}"
        elif line.startswith("$ "):
            kept.append(line[2:])
            command = line[2:]
    return kept


def _joined(lines: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    open_quote = False
    for line in lines:
        if found and (found[-1].endswith("\\") or open_quote):
            found[-1] += "\n" + line
        else:
            found.append(line)
        open_quote = _is_open(found[-1])
    return tuple(found)


def _is_open(command: str) -> bool:
    """Tell whether a quote, a here-document or a compound command goes on in the next line."""
    here = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", command)
    if here is not None:  # what it holds is no shell: an apostrophe opens nothing
        return not re.search(rf"\n{here[1]}$", command)
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return True
    return words[:1] in (["for"], ["while"], ["if"], ["until"]) and words[-1:] not in (["done"], ["fi"])


def script(page: str, replace: Mapping[str, str]) -> str:
    """Return one bash script of every command on a page; it stops with the first unexpected exit code.

    Its last line of output is ``REACHED_ITS_END``.
    """
    parts = ["set -u", "trap 'for job in $(jobs -p); do kill -- -$job; done 2>/dev/null; wait' EXIT"]
    for block in blocks(page):
        if block.language not in SHELL or block.why_not is not None:
            continue
        found = commands(block)
        for place, command in enumerate(found):
            last = place == len(found) - 1
            for old, new in replace.items():
                command = command.replace(old, new)  # noqa: PLW2901 - the page's words, made real
            where = f"{page}:{block.line}: {command.splitlines()[0]}"
            if last and block.background is not None:
                parts += _in_background(command, block.background, where)
            else:
                parts += [command, _expect(block.exits if last else 0, where)]
    parts.append(f"echo {shlex.quote(REACHED_ITS_END)}")
    return "\n".join(parts) + "\n"


def _expect(code: int, where: str) -> str:
    told = shlex.quote(f"{where}: exit code")
    return f'code=$?; [ "$code" = {code} ] || {{ echo {told} "$code, not {code}" >&2; exit 99; }}'


def _in_background(command: str, ready: str, where: str) -> list[str]:
    log = "background-$RANDOM.log"
    told = shlex.quote(f"{where}: never said {ready!r}")
    return [
        f"log={log}",
        "set -m",  # a process group of its own, so that its children can be ended too
        f'{{ {command.rstrip("&").rstrip()} ; }} >"$log" 2>&1 &',
        "set +m",
        f"for try in $(seq {_WAIT_SECONDS * 5}); do",
        f'grep -qF {shlex.quote(ready)} "$log" && break; sleep 0.2; done',
        f'grep -qF {shlex.quote(ready)} "$log" || {{ echo {told} >&2; cat "$log" >&2; exit 99; }}',
    ]
