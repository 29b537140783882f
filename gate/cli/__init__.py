"""The ``gate`` command: one file per verb; each parses, calls and prints, and decides nothing.

In: words on a command line and ``GATE_...`` variables.  Out: data on stdout, words for people on
stderr, an exit code.  Imports of the other rooms stay inside the verbs, so that ``gate --help``
answers at once.
"""

from gate.cli.main import main

__all__ = ["main"]
