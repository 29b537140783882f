"""The gate's own tables, in the registry's database but apart from MLflow's.

No foreign key leads to MLflow's tables: MLflow migrates, renames and deletes its rows as it likes,
and a decision outlives what it decided.  Times are milliseconds since 1970, UTC, as in MLflow.
What a newer row replaced keeps its own number in a column that is 0 for the row in force; with that
column in a unique constraint the database itself holds "at most one in force", whoever races.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

PREFIX: Final = "gate_"
VERSION_TABLE: Final = "gate_alembic_version"

metadata: Final = MetaData()

_MYSQL: Final = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}


def words(length: int) -> TypeEngine[str]:
    """Return a text type that tells ``A`` from ``a`` on MySQL too."""
    return String(length).with_variant(mysql.VARCHAR(length, **_MYSQL), "mysql", "mariadb")


def prose() -> TypeEngine[str]:
    """Return a text type for up to a megabyte; MySQL's plain one ends at 64 KiB."""
    return Text().with_variant(mysql.MEDIUMTEXT(**_MYSQL), "mysql", "mariadb")


def number() -> TypeEngine[int]:
    """Return the type of a row's number; SQLite counts up only what it calls INTEGER."""
    return BigInteger().with_variant(Integer(), "sqlite")


WORKSPACE, NAME, POLICY, ALIAS, DIGEST, KEY, WHO = 63, 256, 63, 256, 71, 128, 256
_OPTIONS: Final[dict[str, Any]] = {"sqlite_autoincrement": True, "mysql_engine": "InnoDB"}


def _sequence() -> Column[int]:
    return Column("seq", number(), primary_key=True, autoincrement=True)


def _subject() -> tuple[Column[str], Column[str], Column[int], Column[int]]:
    """Return the columns that say which version; a recreated one differs in its creation time."""
    return (
        Column("workspace", words(WORKSPACE), nullable=False),
        Column("name", words(NAME), nullable=False),
        Column("version", Integer, nullable=False),
        Column("creation_time", BigInteger, nullable=False),
    )


registry: Final = Table(
    "gate_registry",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("id", words(36), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    mysql_engine="InnoDB",
)

policies: Final = Table(
    "gate_policies",
    metadata,
    _sequence(),
    Column("name", words(POLICY), nullable=False),
    Column("digest", words(DIGEST), nullable=False),
    Column("text", prose(), nullable=False),
    Column("origin", words(16), nullable=False),
    Column("activated_at", BigInteger, nullable=False),
    Column("who", words(WHO)),
    Column("retired", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    UniqueConstraint("name", "retired", name="uq_gate_policies_in_force"),
    **_OPTIONS,
)

keys: Final = Table(
    "gate_keys",
    metadata,
    Column("id", words(KEY), primary_key=True),
    Column("role", words(16), nullable=False),
    Column("public_pem", prose(), nullable=False),
    Column("models", prose(), nullable=False),
    Column("not_before", BigInteger),
    Column("not_after", BigInteger),
    Column("origin", words(16), nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("revoked_since", BigInteger),
    Column("revoked_at", BigInteger),
    mysql_engine="InnoDB",
)

decisions: Final = Table(
    "gate_decisions",
    metadata,
    _sequence(),
    *_subject(),
    Column("policy", words(POLICY), nullable=False),
    Column("policy_digest", words(DIGEST), nullable=False),
    Column("outcome", words(16), nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("model_digest", words(DIGEST)),
    Column("envelope", prose(), nullable=False),
    Column("digest", words(DIGEST), nullable=False),
    Column("supersedes", words(DIGEST)),
    Column("key_id", words(KEY), nullable=False),
    Column("report", words(64)),
    Column("summary", prose()),
    Column("accepted_at", BigInteger, nullable=False),
    Column("not_after", BigInteger),
    Column("revoked_at", BigInteger),
    Column("revoked_reason", prose()),
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
    Index("ix_gate_decisions_key", "key_id"),
    **_OPTIONS,
)

overrides: Final = Table(
    "gate_overrides",
    metadata,
    _sequence(),
    *_subject(),
    Column("alias", words(ALIAS), nullable=False),
    Column("policy", words(POLICY), nullable=False),
    Column("reason", prose(), nullable=False),
    Column("envelope", prose(), nullable=False),
    Column("digest", words(DIGEST), nullable=False),
    Column("key_id", words(KEY), nullable=False),
    Column("who", words(WHO)),
    Column("accepted_at", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("digest", name="uq_gate_overrides_digest"),
    Index("ix_gate_overrides_version", "workspace", "name", "version"),
    **_OPTIONS,
)

audit: Final = Table(
    "gate_audit",
    metadata,
    _sequence(),
    Column("at", BigInteger, nullable=False),
    Column("who", words(WHO)),
    Column("action", words(64), nullable=False),
    Column("workspace", words(WORKSPACE)),
    Column("name", words(NAME)),
    Column("version", Integer),
    Column("target", words(ALIAS)),
    Column("policy", words(POLICY)),
    Column("allowed", Boolean, nullable=False),
    Column("would_refuse", Boolean, nullable=False),
    Column("message", prose(), nullable=False),
    Index("ix_gate_audit_model", "workspace", "name", "seq"),
    Index("ix_gate_audit_at", "at"),
    **_OPTIONS,
)

artifact_roots: Final = Table(
    "gate_artifact_roots",
    metadata,
    _sequence(),
    *_subject(),
    Column("root", prose(), nullable=False),
    Column("root_folded", prose(), nullable=False),
    Column("root_digest", words(DIGEST), nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    UniqueConstraint("workspace", "name", "version", "creation_time", name="uq_gate_artifact_roots_version"),
    Index("ix_gate_artifact_roots_digest", "root_digest"),
    **_OPTIONS,
)

artifacts: Final = Table(
    "gate_artifacts",
    metadata,
    _sequence(),
    Column("root", BigInteger, nullable=False),
    Column("path", prose(), nullable=False),
    Column("size", BigInteger),
    Column("etag", words(256)),
    Index("ix_gate_artifacts_root", "root"),
    **_OPTIONS,
)

alias_history: Final = Table(
    "gate_alias_history",
    metadata,
    _sequence(),
    *_subject(),
    Column("alias", words(ALIAS), nullable=False),
    Column("decisions", prose(), nullable=False),
    Column("how", words(16), nullable=False),
    Column("who", words(WHO)),
    Column("at", BigInteger, nullable=False),
    Index("ix_gate_alias_history_version", "workspace", "name", "version"),
    **_OPTIONS,
)
