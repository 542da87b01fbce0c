"""Certificates for brokers and clients of tests, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1\n"


def make_certificates(folder: Path) -> None:
    """In `folder`: ca.pem, server-keystore.pem, client.pem with client.key (and client-locked.key, password
    `key-secret`), and other-ca.pem with other-client.pem and .key, which the brokers do not trust."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.cnf").write_text(NAMES)
    for authority in ("ca", "other-ca"):
        made = ["-subj", f"/CN=test-{authority}", "-keyout", f"{authority}.key", "-out", f"{authority}.pem"]
        _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", *made)
    for name, authority in {"server": "ca", "client": "ca", "other-client": "other-ca"}.items():
        _sign(folder, name, authority)
    locked = ["-out", "client-locked.key", "-passout", "pass:key-secret"]
    _openssl(folder, "pkcs8", "-topk8", "-in", "client.key", *locked)
    keystore = (folder / "server.key").read_text() + (folder / "server.pem").read_text()
    (folder / "server-keystore.pem").write_text(keystore)


def _sign(folder: Path, name: str, authority: str) -> None:
    request = ["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", *request)
    signer = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "3650"]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", "names.cnf", "-out", f"{name}.pem")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
