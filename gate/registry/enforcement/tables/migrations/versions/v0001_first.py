"""The first version of the gate's tables.

Written out, not taken from ``schema``: that one changes with the program, this one never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text, UniqueConstraint
from sqlalchemy.dialects import mysql

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MYSQL: Final = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}


def _words(length: int) -> TypeEngine[str]:
    """Return a text type that tells ``A`` from ``a`` on MySQL too."""
    return String(length).with_variant(mysql.VARCHAR(length, **_MYSQL), "mysql", "mariadb")


def _prose() -> TypeEngine[str]:
    """Return a text type for up to a megabyte; MySQL's plain one ends at 64 KiB."""
    return Text().with_variant(mysql.MEDIUMTEXT(**_MYSQL), "mysql", "mariadb")


def _number() -> TypeEngine[int]:
    """Return the type of a row's number; SQLite counts up only what it calls INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")


WORKSPACE, NAME, POLICY, ALIAS, DIGEST, KEY, WHO = 63, 256, 63, 256, 71, 128, 256
_OPTIONS: Final[dict[str, Any]] = {"sqlite_autoincrement": True, "mysql_engine": "InnoDB"}


def _sequence() -> Column[int]:
    return Column("seq", _number(), primary_key=True, autoincrement=True)


def _subject() -> tuple[Column[str], Column[str], Column[int], Column[int]]:
    """Return the columns that say which version; a recreated one differs in its creation time."""
    return (
        Column("workspace", _words(WORKSPACE), nullable=False),
        Column("name", _words(NAME), nullable=False),
        Column("version", Integer, nullable=False),
        Column("creation_time", BigInteger, nullable=False),
    )


def upgrade() -> None:
    """Make the tables."""
    _make_registry()
    _make_policies()
    _make_keys()
    _make_decisions()
    _make_overrides()
    _make_audit()
    _make_artifact_roots()
    _make_artifacts()
    _make_alias_history()


def _make_registry() -> None:
    op.create_table(
        "gate_registry",
        Column("one", Integer, primary_key=True, autoincrement=False),
        Column("id", _words(36), nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("revision", BigInteger, nullable=False),
        mysql_engine="InnoDB",
    )


def _make_policies() -> None:
    op.create_table(
        "gate_policies",
        _sequence(),
        Column("name", _words(POLICY), nullable=False),
        Column("digest", _words(DIGEST), nullable=False),
        Column("text", _prose(), nullable=False),
        Column("origin", _words(16), nullable=False),
        Column("activated_at", BigInteger, nullable=False),
        Column("who", _words(WHO)),
        Column("retired", BigInteger, nullable=False),
        Column("retired_at", BigInteger),
        UniqueConstraint("name", "retired", name="uq_gate_policies_in_force"),
        **_OPTIONS,
    )


def _make_keys() -> None:
    op.create_table(
        "gate_keys",
        Column("id", _words(KEY), primary_key=True),
        Column("role", _words(16), nullable=False),
        Column("public_pem", _prose(), nullable=False),
        Column("models", _prose(), nullable=False),
        Column("not_before", BigInteger),
        Column("not_after", BigInteger),
        Column("origin", _words(16), nullable=False),
        Column("added_at", BigInteger, nullable=False),
        Column("revoked_since", BigInteger),
        Column("revoked_at", BigInteger),
        mysql_engine="InnoDB",
    )


def _make_decisions() -> None:
    op.create_table(
        "gate_decisions",
        _sequence(),
        *_subject(),
        Column("policy", _words(POLICY), nullable=False),
        Column("policy_digest", _words(DIGEST), nullable=False),
        Column("outcome", _words(16), nullable=False),
        Column("passed", Boolean, nullable=False),
        Column("model_digest", _words(DIGEST)),
        Column("envelope", _prose(), nullable=False),
        Column("digest", _words(DIGEST), nullable=False),
        Column("supersedes", _words(DIGEST)),
        Column("key_id", _words(KEY), nullable=False),
        Column("report", _words(64)),
        Column("summary", _prose()),
        Column("accepted_at", BigInteger, nullable=False),
        Column("not_after", BigInteger),
        Column("revoked_at", BigInteger),
        Column("revoked_reason", _prose()),
        Column("superseded", BigInteger, nullable=False),
        UniqueConstraint(
            "workspace",
            "name",
            "version",
            "creation_time",
            "policy",
            "superseded",
            name="uq_gate_decisions_in_force",
        ),
        UniqueConstraint("digest", name="uq_gate_decisions_digest"),
        **_OPTIONS,
    )
    op.create_index("ix_gate_decisions_key", "gate_decisions", ["key_id"])


def _make_overrides() -> None:
    op.create_table(
        "gate_overrides",
        _sequence(),
        *_subject(),
        Column("alias", _words(ALIAS), nullable=False),
        Column("policy", _words(POLICY), nullable=False),
        Column("reason", _prose(), nullable=False),
        Column("envelope", _prose(), nullable=False),
        Column("digest", _words(DIGEST), nullable=False),
        Column("key_id", _words(KEY), nullable=False),
        Column("who", _words(WHO)),
        Column("accepted_at", BigInteger, nullable=False),
        Column("not_after", BigInteger, nullable=False),
        Column("revoked_at", BigInteger),
        UniqueConstraint("digest", name="uq_gate_overrides_digest"),
        **_OPTIONS,
    )
    op.create_index("ix_gate_overrides_version", "gate_overrides", ["workspace", "name", "version"])


def _make_audit() -> None:
    op.create_table(
        "gate_audit",
        _sequence(),
        Column("at", BigInteger, nullable=False),
        Column("who", _words(WHO)),
        Column("action", _words(64), nullable=False),
        Column("workspace", _words(WORKSPACE)),
        Column("name", _words(NAME)),
        Column("version", Integer),
        Column("target", _words(ALIAS)),
        Column("policy", _words(POLICY)),
        Column("allowed", Boolean, nullable=False),
        Column("would_refuse", Boolean, nullable=False),
        Column("message", _prose(), nullable=False),
        **_OPTIONS,
    )
    op.create_index("ix_gate_audit_model", "gate_audit", ["workspace", "name", "seq"])
    op.create_index("ix_gate_audit_at", "gate_audit", ["at"])


def _make_artifact_roots() -> None:
    op.create_table(
        "gate_artifact_roots",
        _sequence(),
        *_subject(),
        Column("root", _prose(), nullable=False),
        Column("root_folded", _prose(), nullable=False),
        Column("root_digest", _words(DIGEST), nullable=False),
        Column("complete", Boolean, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        UniqueConstraint(
            "workspace", "name", "version", "creation_time", name="uq_gate_artifact_roots_version"
        ),
        **_OPTIONS,
    )
    op.create_index("ix_gate_artifact_roots_digest", "gate_artifact_roots", ["root_digest"])


def _make_artifacts() -> None:
    op.create_table(
        "gate_artifacts",
        _sequence(),
        Column("root", BigInteger, nullable=False),
        Column("path", _prose(), nullable=False),
        Column("size", BigInteger),
        Column("etag", _words(256)),
        **_OPTIONS,
    )
    op.create_index("ix_gate_artifacts_root", "gate_artifacts", ["root"])


def _make_alias_history() -> None:
    op.create_table(
        "gate_alias_history",
        _sequence(),
        *_subject(),
        Column("alias", _words(ALIAS), nullable=False),
        Column("decisions", _prose(), nullable=False),
        Column("how", _words(16), nullable=False),
        Column("who", _words(WHO)),
        Column("at", BigInteger, nullable=False),
        **_OPTIONS,
    )
    op.create_index("ix_gate_alias_history_version", "gate_alias_history", ["workspace", "name", "version"])
