"""One more listener of the tests' broker, which wants a login over TLS. Its authority and its certificate are made on the spot."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSWORD = "Tr0ub4dor-und-3-Pferde"
USERS = {"PLAIN": "plain-worker", "SCRAM-SHA-512": "scram-worker"}
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
_OF_LISTENER = "listener.name.secured."


@dataclass(frozen=True)
class Secured:
    """The listener at `bootstrap`; `authority` is the certificate to trust, `stranger` one that never signed anything of it."""

    bootstrap: str
    authority: Path
    stranger: Path
    _key_and_certificate: Path

    @classmethod
    def made(cls, folder: Path, port: int) -> Secured | None:
        """Certificates for a listener at this port; None where openssl is missing."""
        if shutil.which("openssl") is None:
            return None
        for name in ("authority", "stranger"):
            subject = ["-subj", f"/CN={name} of the tests", "-days", "2"]
            _openssl(folder, "req", "-x509", *NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", *subject)
        _openssl(folder, "req", "-new", *NEW_KEY, "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=broker")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        signing = [
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
        ]
        _openssl(folder, "x509", "-req", "-in", "broker.csr", "-out", "broker.crt", *signing)
        store = folder / "broker.pem"
        store.write_text("".join((folder / name).read_text() for name in ("broker.key", "broker.crt", "authority.pem")))
        return cls(f"127.0.0.1:{port}", folder / "authority.pem", folder / "stranger.pem", store)

    @property
    def settings(self) -> dict[str, str]:
        """What the broker is told of it."""
        module = "org.apache.kafka.common.security"
        plain = f'{module}.plain.PlainLoginModule required user_{USERS["PLAIN"]}="{PASSWORD}";'
        told = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._key_and_certificate),
            "sasl.enabled.mechanisms": ",".join(USERS),
            "plain.sasl.jaas.config": plain,
            "scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        }
        return {_OF_LISTENER + name: value for name, value in told.items()}

    @staticmethod
    def enrol(admin: Any) -> None:
        """Make the user whose password the cluster itself keeps."""
        from confluent_kafka.admin import (  # noqa: PLC0415 - only where Kafka is used
            ScramCredentialInfo,
            ScramMechanism,
            UserScramCredentialUpsertion,
        )

        kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(USERS["SCRAM-SHA-512"], kind, PASSWORD.encode())
        for done in admin.alter_user_scram_credentials([wanted]).values():
            done.result(30)

    def environment(self, mechanism: str = "SCRAM-SHA-512", **changed: str) -> dict[str, str]:
        """What a command is told, by the environment alone."""
        told = {
            "security_protocol": "sasl_ssl",
            "sasl_mechanism": mechanism,
            "sasl_username": USERS[mechanism],
            "sasl_password": PASSWORD,
            "ssl_ca_location": str(self.authority),
        }
        named: Mapping[str, str] = told | changed
        return {"PAIRMARK_KAFKA": self.bootstrap} | {f"PAIRMARK_KAFKA_{k.upper()}": v for k, v in named.items()}


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)
