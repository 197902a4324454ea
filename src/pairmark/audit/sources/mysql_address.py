"""How an address names a table of a MySQL or MariaDB, how it may be printed, and how the way there is guarded; opens nothing."""

import ssl
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pairmark.errors import BadRequest

FORM = "Write it as mysql://user@host:3306/database?table=event_outbox; what is no letter or digit in a name as %40 and so on."
MODES = ("disabled", "preferred", "required", "verify_ca", "verify_identity")
"""Names of MySQL itself for how much TLS is asked for."""
OPTIONS = ("table", "socket", "ssl-mode", "ssl-ca", "ssl-cert", "ssl-key")


@dataclass(frozen=True)
class MysqlAddress:
    """A server, a login, and the database and table that were named. `password`: what stood in the address."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    options: dict[str, str]

    @classmethod
    def of(cls, text: str) -> "MysqlAddress":
        """Take `mysql://user:password@host:port/database?table=…` apart; a refusal repeats nothing that may be a password."""
        scheme, _, rest = text.partition(":")
        scheme = scheme.lower()
        if not rest.startswith("//"):
            raise BadRequest(f"This {scheme}: address has no // where the server begins.", remedy=FORM)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise BadRequest(f"This {scheme}:// address has no proper host and port.", remedy=FORM) from None
        beyond = text.partition("://")[2].removeprefix(parts.netloc)
        if "@" in beyond or "#" in beyond:
            raise BadRequest(f"This {scheme}:// address has an @ or # in a place where none can be.", remedy=FORM)
        options = {
            name.lower().replace("_", "-"): value for name, value in parse_qsl(parts.query, keep_blank_values=True)
        }
        for name in options.keys() - set(OPTIONS):
            close = get_close_matches(name, OPTIONS, n=2, cutoff=0.3) or OPTIONS
            raise BadRequest(f"A {scheme}:// address knows no {name!r}.", remedy=f"It knows {', '.join(close)}.")
        mode = options.get("ssl-mode", MODES[0])
        if mode.lower().replace("-", "_") not in MODES:
            raise BadRequest(f"{mode} is no ssl-mode.", remedy=f"It is one of {', '.join(MODES)}.")
        return cls(
            host=parts.hostname or "localhost",
            port=port or 3306,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password is not None else None,
            database=unquote(parts.path.removeprefix("/")) or None,
            options=options,
        )

    @property
    def table(self) -> str | None:
        """The table that was named."""
        return self.options.get("table") or None

    @property
    def shown(self) -> str:
        """The address without its password."""
        login = f"{self.user}{':***' if self.password is not None else ''}@" if self.user else ""
        where = self.options.get("socket") or f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        return f"mysql://{login}{where}/{self.database or ''}" + (f" table {self.table}" if self.table else "")

    @property
    def mode(self) -> str:
        """How much TLS is asked for; with a certificate to trust, it is verified unless something else was said."""
        usual = "verify_ca" if "ssl-ca" in self.options else "preferred"
        return self.options.get("ssl-mode", usual).lower().replace("-", "_")

    @property
    def proven(self) -> bool:
        """Whether nobody else can answer: a socket of this machine, or a certificate that is looked at."""
        return "socket" in self.options or self.mode.startswith("verify")

    def way(self) -> dict[str, Any]:
        """Where and how the driver is to connect, without the login."""
        socket = self.options.get("socket")
        place: dict[str, Any] = {"unix_socket": socket} if socket else {"host": self.host, "port": self.port}
        if self.mode == "disabled":
            place["ssl_disabled"] = True
        elif self.mode != "preferred" or "ssl-cert" in self.options:
            place["ssl"] = self._tls()
        return place

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.options.get("ssl-ca"))
            context.check_hostname = self.mode == "verify_identity"
            context.verify_mode = ssl.CERT_REQUIRED if self.mode.startswith("verify") else ssl.CERT_NONE
            if "ssl-cert" in self.options:
                context.load_cert_chain(self.options["ssl-cert"], self.options.get("ssl-key"))
        except (OSError, ssl.SSLError) as error:
            raise BadRequest(
                f"The certificates for {self.shown} cannot be used: {error.strerror or error}.",
                remedy="Name files in PEM form by ssl-ca, ssl-cert and ssl-key.",
            ) from error
        return context
