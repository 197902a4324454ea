"""The one frozen configuration. Nothing else reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pairmark.errors import BadRequest


@dataclass(frozen=True)
class Config:
    """Where state lives: an embedded server under `home`, or the server at `database_url`."""

    home: Path
    database_url: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether this machine runs its own PostgreSQL for us."""
        return self.database_url is None


def load(*, database: str | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Configuration from the environment (`PAIRMARK_HOME`, `PAIRMARK_DATABASE`); `database` overrides the latter."""
    url = database or environ.get("PAIRMARK_DATABASE") or None
    if url is not None and not url.startswith(("postgresql://", "postgres://")):
        raise BadRequest(
            f"The database address {_without_password(url)} is not a PostgreSQL URL.",
            remedy="Write it as postgresql://user@host:5432/name.",
        )
    home = environ.get("PAIRMARK_HOME")
    return Config(home=Path(home).expanduser().absolute() if home else _user_data_folder(), database_url=url)


def _user_data_folder() -> Path:
    import platformdirs  # noqa: PLC0415 - start-up time

    return Path(platformdirs.user_data_dir("pairmark", appauthor=False))


def _without_password(url: str) -> str:
    """What of an address may be shown: a password can stand before the @, among the options, or anywhere in another form."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "(not shown)"
    credentials, at, host = rest.partition("?")[0].rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{host}"
