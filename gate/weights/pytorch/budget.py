"""What the pickles of one file may cost together, however many there are and however they are packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import UnsafeModelError
from gate.weights.pytorch.limits import MAX_FILE_INFLATED_BYTES, MAX_FILE_OPERATIONS

if TYPE_CHECKING:
    from gate.weights.zip_archive import Archive, Entry


class OverBudgetError(UnsafeModelError):
    """Following the pickles takes more than any real model needs; what they name stays unknown."""


@dataclass(slots=True)
class Budget:
    """What is left to spend; share one among everything that is read of a file, or of an artifact."""

    steps: int = MAX_FILE_OPERATIONS
    inflated_bytes: int = MAX_FILE_INFLATED_BYTES

    def spend(self, steps: int) -> None:
        """Take ``steps`` from what is left.

        Raises
        ------
        OverBudgetError
            That many are not left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise OverBudgetError(
                f"its pickles take more than {MAX_FILE_OPERATIONS} steps together, more than any real model",
                hint="Save the state dict alone, without training history or data.",
            )

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
            self.inflated_bytes -= entry.size
            if self.inflated_bytes < 0:
                raise OverBudgetError(f"its entries inflate to more than {MAX_FILE_INFLATED_BYTES} bytes")
        return archive.bytes_of(entry)
