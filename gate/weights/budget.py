"""What the pickles of a file, and of an artifact, may cost together, however many and however packed."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gate.errors import UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.weights.zip_archive import Archive, Entry


MAX_FILE_OPERATIONS: Final = 4_000_000
"""Steps of all pickles of one file together; TorchScript's dozens of debug tables take some 10,000."""

MAX_FILE_INFLATED_BYTES: Final = 256 * 2**20
"""What the deflated entries of one file may inflate to, archives within it included."""

ARTIFACT_FILES: Final = 10
"""How many times what one file may take all files of an artifact may: an optimizer's states of 1,000
parameters take some 200,000 steps, listing their archive twice included; weights of 1,000 tensors 70,000."""

LISTED_ENTRY_STEPS: Final = 20
"""What listing one entry of an archive costs, in steps of a pickle."""


class OverBudgetError(UnsafeModelError):
    """Following the pickles takes more than any real model needs; what they name stays unknown."""


_of_artifact: ContextVar[Budget | None] = ContextVar("budget of the artifact", default=None)


@contextmanager
def artifact_budget() -> Iterator[None]:
    """Charge every budget made within to one of the artifact too; within another it changes nothing.

    Readers make a budget for each file by themselves, third parties' do not know of any.
    """
    if _of_artifact.get() is not None:
        yield
        return
    steps, inflated = ARTIFACT_FILES * MAX_FILE_OPERATIONS, ARTIFACT_FILES * MAX_FILE_INFLATED_BYTES
    token = _of_artifact.set(Budget(steps, inflated, "the artifact's"))
    try:
        yield
    finally:
        _of_artifact.reset(token)


def charge_artifact(steps: int) -> None:
    """Charge work to the artifact that is not charged to the file: for one file it has a bound of its own.

    Raises
    ------
    OverBudgetError
        The artifact's budget does not suffice.
    """
    artifact = _of_artifact.get()
    if artifact is not None:
        artifact.spend(steps)


@dataclass(slots=True)
class Budget:
    """What is left to spend; share one among everything that is read of a file.

    ``whose`` is for messages; ``whole`` is that of the artifact, which is charged as well.
    """

    steps: int = MAX_FILE_OPERATIONS
    inflated_bytes: int = MAX_FILE_INFLATED_BYTES
    whose: str = "its"
    whole: Budget | None = field(default_factory=_of_artifact.get)
    limits: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        """Remember what there was at first."""
        self.limits = self.steps, self.inflated_bytes

    def spend(self, steps: int) -> None:
        """Take ``steps`` from what is left.

        Raises
        ------
        OverBudgetError
            That many are not left.
        """
        self.steps -= steps
        if self.whole is not None:  # first: work that was too much for the file was done all the same
            self.whole.spend(steps)
        if self.steps < 0:
            most = self.limits[0]
            raise OverBudgetError(
                f"{self.whose} pickles take more than {most} steps together, more than any real model",
                hint="Save the state dict alone, without training history or data.",
            )

    def left(self) -> int:
        """Return how many steps may still be taken; below 0 where more were asked for than there were."""
        return self.steps if self.whole is None else min(self.steps, self.whole.left())

    def contents_of(self, entry: Entry, archive: Archive) -> memoryview:
        """Return the entry's contents; inflating them is charged.

        Raises
        ------
        OverBudgetError
            So many bytes may not be inflated any more.
        gate.errors.ModelError
            The entry does not inflate to what it claims.
        """
        if entry.compressed:
            self.spend_inflated(entry.size)
        return archive.bytes_of(entry)

    def spend_inflated(self, size: int) -> None:
        """Take ``size`` from the bytes that may still be inflated; raises as :meth:`contents_of` does."""
        self.inflated_bytes -= size
        if self.inflated_bytes < 0:
            raise OverBudgetError(f"{self.whose} entries inflate to more than {self.limits[1]} bytes")
        if self.whole is not None:
            self.whole.spend_inflated(size)
