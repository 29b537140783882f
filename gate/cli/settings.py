"""Environment variables that are no flag's: data for docs/reference/settings.md.

What is read from the environment alone is either a secret, which a list of processes would show, or
of a server that has no command line of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER: Final[Mapping[str, str]] = {
    "GATE_POLICIES": "Folder of policy files (`.yaml`, `.yml`) that an enforcing registry puts in force when "
    "it starts; taken whole or not at all, see "
    "[Policies on the server](../operations.md#policies-on-the-server).",
    "GATE_TRUSTED_KEYS": "File or folder of trusted keys that an enforcing registry takes in when it starts; "
    "taken whole or not at all, see [Keys](../operations.md#keys-rotation-and-revocation).",
    "GATE_DATABASE": "Address of the registry's database, for `gate db`, `gate keys` and `gate policy push`, "
    "and for `--artifacts-destination gate:…` on a server whose registry store does not begin with `gate:`; "
    "`gate calibrate` reads there who held which alias.",
}
"""Variables of an MLflow server that runs the gate's plugins."""

SIGNING: Final[Mapping[str, str]] = {
    "GATE_SIGNING_KEY": "The private key that signs decisions, as PEM text. Never logged or printed.",
    "GATE_SIGNING_KEY_FILE": "Or the file that holds it.",
    "GATE_SIGNING_KEY_PASSPHRASE": "What unlocks it, where it is locked.",
    "GATE_WEBHOOK_SECRET": "The secret that MLflow signs webhooks with and `gate watch --webhook` checks.",
    "GATE_WEBHOOK_SECRET_FILE": "Or the file that holds it.",
}
"""Secrets."""

MACHINE: Final[Mapping[str, str]] = {
    "GATE_CACHE": "Folder of layers measured before; `off` for none. Default: a private folder in the user's "
    "cache.",
    "GATE_MODEL_CACHE": "Folder that `gate demo` keeps the models it fetches in. "
    "Default: in the user's cache.",
    "GATE_LAPACK": "`numpy`: solve through numpy's own functions, instead of calling its OpenBLAS "
    "directly. Slower on large layers; the first thing to try if a solver fails.",
    "GATE_PLUGINS": "Readers, metrics and formats of other packages to use, as `readers:NAME`, "
    "`metrics:NAME` or `formats:NAME`, several apart by commas. Default: none.",
    "GATE_TAG_PREFIX": "Prefix of the gate's tags, for registries that forbid dots. Default: `gate.`",
    "GATE_DEBUG": "Anything: an unexpected error ends with its traceback.",
}
"""Variables of the machine that measures."""

GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    "An enforcing server": SERVER,
    "Secrets": SIGNING,
    "The machine that measures": MACHINE,
}
