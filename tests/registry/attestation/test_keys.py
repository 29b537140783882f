from __future__ import annotations

import json
import subprocess
import traceback
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.registry.attestation import Signed, UntrustedError
from gate.registry.attestation.documents import parse_trusted_key, trusted_key_document
from gate.registry.attestation.envelope import open_envelope, sign
from gate.registry.attestation.keys import authorize, load_signing_key, load_trusted_keys, new_key
from tests.registry.attestation.samples import NOW, OVERRIDE, STATEMENT, pair

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = b"correct horse"


def test_no_key_is_configured() -> None:
    assert load_signing_key({}) is None


def test_from_the_environment_or_a_file_locked_or_not(tmp_path: Path) -> None:
    plain, locked = new_key("check"), new_key("check", passphrase=PASSPHRASE)
    file = tmp_path / "key.pem"
    file.write_bytes(locked.private_pem)
    text = plain.private_pem.decode()
    cases = (
        ({"GATE_SIGNING_KEY": text, "GATE_SIGNING_KEY_FILE": "/nowhere"}, plain),
        ({"GATE_SIGNING_KEY": text.replace("\n", "\\n")}, plain),
        ({"GATE_SIGNING_KEY_FILE": str(file), "GATE_SIGNING_KEY_PASSPHRASE": PASSPHRASE.decode()}, locked),
    )
    for environment, made in cases:
        key = load_signing_key(environment)
        assert key is not None
        assert open_envelope(sign(STATEMENT, key), [made.trusted]).key_id == made.trusted.id == key.id


def test_a_key_that_openssl_made(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(file)], check=True)
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(file), "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    key = load_signing_key({"GATE_SIGNING_KEY_FILE": str(file)})
    document = json.dumps({"id": "ci-2026", "role": "check", "public_key": public})
    trusted = parse_trusted_key(document.encode(), "ci.json")
    assert key is not None
    assert open_envelope(sign(STATEMENT, key), [trusted]).key_id == "ci-2026"


def test_what_cannot_be_used_is_refused_and_never_quoted(tmp_path: Path) -> None:
    made = new_key("check", passphrase=PASSPHRASE)
    secret = made.private_pem.decode().splitlines()[1]
    rsa = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    cases = {
        "it is locked": {"GATE_SIGNING_KEY": made.private_pem.decode()},
        "no private key": {"GATE_SIGNING_KEY": f"-----BEGIN PRIVATE KEY-----\n{secret}\n"},
        "or the passphrase": {
            "GATE_SIGNING_KEY": made.private_pem.decode(),
            "GATE_SIGNING_KEY_PASSPHRASE": "x",
        },
        "no Ed25519 key": {"GATE_SIGNING_KEY": rsa},
        "not locked": {
            "GATE_SIGNING_KEY": new_key("check").private_pem.decode(),
            "GATE_SIGNING_KEY_PASSPHRASE": "x",
        },
        "cannot read": {"GATE_SIGNING_KEY_FILE": str(tmp_path / "missing")},
    }
    for told, environment in cases.items():
        with pytest.raises(UsageError, match=told) as raised:
            load_signing_key(environment)
        shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
        assert secret not in shown
        assert rsa.splitlines()[1] not in shown


def test_nothing_shows_the_private_half() -> None:
    made = new_key("check")
    key = load_signing_key({"GATE_SIGNING_KEY": made.private_pem.decode()})
    secret = made.private_pem.decode().splitlines()[1]
    assert secret not in f"{made!r} {key!r} {made} {key}"
    assert "private" not in repr(key)


def test_documents_of_a_folder(tmp_path: Path) -> None:
    until = NOW + timedelta(days=30)
    keys = [
        new_key("check", ("fraud-*", "Ünïcode"), not_before=NOW, not_after=until).trusted,
        new_key("override").trusted,
    ]
    for number, key in enumerate(keys):
        (tmp_path / f"{number}.yaml").write_text(trusted_key_document(key))
    (tmp_path / "README.md").write_text("no key")
    assert load_trusted_keys(tmp_path) == tuple(keys)
    assert load_trusted_keys(tmp_path / "1.yaml") == (keys[1],)
    (tmp_path / "again.yml").write_text(trusted_key_document(keys[0]))
    with pytest.raises(UsageError, match="two documents"):
        load_trusted_keys(tmp_path)


def test_an_empty_folder_trusts_nobody_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no trusted key"):
        load_trusted_keys(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"role": "admin"}, "role"),
        ({"models": []}, "models"),
        ({"surprise": 1}, "surprise"),
        ({"not_after": "2026-03-01T12:00:00"}, "not_after"),
        ({"id": "a b"}, "id"),
        ({"public_key": "nonsense"}, "no public key"),
        ({"public_key": "-----BEGIN PRIVATE KEY-----"}, "private key"),
    ],
)
def test_a_document_that_is_not_valid(change: dict[str, object], told: str) -> None:
    document = {"id": "k", "role": "check", "public_key": pair()[1].public_pem, **change}
    with pytest.raises(UsageError, match=told):
        parse_trusted_key(json.dumps(document).encode(), "k.json")


@given(st.binary(max_size=300))
def test_whatever_a_document_holds_it_is_a_key_or_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        parse_trusted_key(content, "k.yaml")


def _signed() -> Signed:
    key, trusted = pair()
    return open_envelope(sign(STATEMENT, key), [trusted])


def test_a_key_may_sign_in_its_role_for_its_models_in_its_time() -> None:
    _, trusted = pair()
    day = timedelta(days=1)
    assert authorize(_signed(), [trusted], NOW) == trusted
    assert authorize(_signed(), [replace(trusted, models=("x", "ÜNÏCODE*"))], NOW).id == trusted.id
    assert authorize(_signed(), [replace(trusted, not_before=NOW, not_after=NOW + day)], NOW).id == trusted.id
    refused = {
        "role waive": replace(trusted, role="waive"),
        "role override": replace(trusted, role="override"),
        "not trusted for the model": replace(trusted, models=("fraud-*",)),
        "not valid before": replace(trusted, not_before=NOW + day),
        "valid until": replace(trusted, not_after=NOW),
        "not trusted here": replace(trusted, id="other"),
    }
    for told, key in refused.items():
        with pytest.raises(UntrustedError, match=told):
            authorize(_signed(), [key], NOW)


def test_a_check_key_signs_no_override() -> None:
    key, trusted = pair()
    with pytest.raises(UntrustedError, match="role override"):
        authorize(open_envelope(sign(OVERRIDE, key), [trusted]), [trusted], NOW)
