"""The one frozen configuration. Nothing else reads the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pairmark.errors import BadRequest

MOST_OPEN_QUESTIONS = 20_000
"""Questions before the judges from which on no request is taken in. 16 at once, each in 2 seconds: 40 minutes of one worker."""


@dataclass(frozen=True)
class ContentAccess:
    """Where texts of other services are fetched: an address with `{id}` in it, and a token to show there."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Config:
    """Where state lives: an embedded server under `home`, or the server at `database_url`; `elsewhere` is what stands alone.

    `kafka`: brokers, if Kafka is used; `topic_prefix` stands before the names of all topics and groups there;
    `content`: where texts of other services are fetched, if they are; `judge`: who judges where a request names nobody;
    `open_questions`: from how many open questions to judges on no request is taken in.
    """

    home: Path
    database_url: str | None = None
    kafka: str | None = None
    topic_prefix: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    content: ContentAccess | None = None
    judge: str | None = None
    open_questions: int = MOST_OPEN_QUESTIONS

    @property
    def embedded(self) -> bool:
        """Whether this machine runs its own PostgreSQL for us."""
        return self.database_url is None


DATABASE = "PAIRMARK_DATABASE"
OWN_DATABASE = ("assessment", "judging", "lifecycle", "results", "entitlements", "content")
"""Services that may stand in a database of their own: `PAIRMARK_DATABASE_JUDGING`, and so on."""


def load(*, database: str | None = None, kafka: str | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Configuration from the environment (`PAIRMARK_HOME`, `PAIRMARK_DATABASE`, `PAIRMARK_KAFKA`); arguments go first.

    `PAIRMARK_DATABASE_JUDGING` is a database of that service alone, and so for the others.
    """
    url = database or environ.get(DATABASE) or None
    if url is not None:
        postgres_url(url)
    home = environ.get("PAIRMARK_HOME")
    return Config(
        home=Path(home).expanduser().absolute() if home else _user_data_folder(),
        database_url=url,
        kafka=_brokers(kafka or environ.get("PAIRMARK_KAFKA") or None),
        topic_prefix=_prefix(environ.get("PAIRMARK_TOPIC_PREFIX", "")),
        elsewhere=_own_databases(environ, url),
        content=content_access(environ),
        judge=environ.get("PAIRMARK_JUDGE") or None,
        open_questions=_open_questions(environ.get("PAIRMARK_OPEN_QUESTIONS") or None),
    )


def postgres_url(url: str) -> str:
    """The address, if it has the form of a PostgreSQL URL."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise BadRequest(
            f"The database address {without_password(url)} is not a PostgreSQL URL.",
            remedy="Write it as postgresql://user@host:5432/name.",
        )
    return url


_OF_KUBERNETES = re.compile(
    r"(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=.*|PORT=(tcp|udp|sctp)://.*)"
)
"""What Kubernetes sets in every container where a service has such a name; no setting of ours."""


def _given(begin: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What is set under names that begin so."""
    named = {name: value for name, value in environ.items() if name.startswith(begin)}
    return {k: v for k, v in named.items() if not _OF_KUBERNETES.fullmatch(f"{k.removeprefix(begin)}={v}")}


def _own_databases(environ: Mapping[str, str], main: str | None) -> dict[str, str]:
    """Addresses by service; one that is the main address is none of its own."""
    given = {name: value for name, value in _given(f"{DATABASE}_", environ).items() if value}
    unknown = sorted(given.keys() - {f"{DATABASE}_{service.upper()}" for service in OWN_DATABASE})
    if unknown:
        raise BadRequest(
            f"{unknown[0]} names no service.",
            remedy=f"Services that may have a database of their own: {', '.join(OWN_DATABASE)}.",
        )
    services = {name.removeprefix(f"{DATABASE}_").lower(): postgres_url(url) for name, url in sorted(given.items())}
    return {service: url for service, url in services.items() if url != main}


def _brokers(text: str | None) -> str | None:
    """Addresses of brokers, separated by commas."""
    for one in text.split(",") if text is not None else ():
        host, colon, port = one.strip().rpartition(":")
        if not (host and colon and port.isdigit() and 0 < int(port) < 65_536) or set(host) & set("/@?# "):
            raise BadRequest(
                "The address of Kafka cannot be read.", remedy="Write it as host:9092, several with commas."
            )
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", text):
        raise BadRequest(
            "PAIRMARK_TOPIC_PREFIX cannot stand in the name of a topic.", remedy="Letters, digits, . _ and - can."
        )
    return text


def _open_questions(text: str | None) -> int:
    if text is None:
        return MOST_OPEN_QUESTIONS
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise BadRequest("PAIRMARK_OPEN_QUESTIONS is not a number of questions.", remedy="Write it as 20000.")
    return int(text)


ID = "{id}"


def content_access(environ: Mapping[str, str] = os.environ) -> ContentAccess | None:
    """`PAIRMARK_CONTENT_URL`, with `{id}` where the storage id goes, and `PAIRMARK_CONTENT_TOKEN`; None without an address."""
    url, token = environ.get("PAIRMARK_CONTENT_URL") or None, environ.get("PAIRMARK_CONTENT_TOKEN") or None
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    readable = url.isascii() and url.isprintable() and " " not in url
    if (
        not (whole and readable)
        or parts.username is not None
        or parts.fragment
        or url.count(ID) != 1
        or ID in parts.netloc
    ):
        raise BadRequest(
            "PAIRMARK_CONTENT_URL is not the address of a content service.",
            remedy="Write it as http://content:8080/v1/content/{id}, without a login; a token goes into PAIRMARK_CONTENT_TOKEN.",
        )
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise BadRequest("PAIRMARK_CONTENT_TOKEN holds characters that no token has.")
    return ContentAccess(url, token)


KAFKA = "PAIRMARK_KAFKA_"
KAFKA_ALLOWED = ("security.", "sasl.", "ssl.", "client.", "socket.", "broker.", "enable.ssl.", "enable.sasl.")
"""Begins of the names of Kafka settings that the environment may give: how to get there, never what to do there."""


def kafka_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Settings of librdkafka from the environment: `PAIRMARK_KAFKA_SASL_PASSWORD` is `sasl.password`, and so on."""
    given = {name.removeprefix(KAFKA).lower().replace("_", "."): name for name in _given(KAFKA, environ)}
    for setting, name in given.items():
        if not setting.startswith(KAFKA_ALLOWED):
            raise BadRequest(
                f"{name} is no setting of a connection to Kafka.",
                remedy=f"Names begin with {', '.join(KAFKA + one.upper().replace('.', '_') for one in KAFKA_ALLOWED)}.",
            )
    return {setting: environ[name] for setting, name in given.items()}


def mysql_password(environ: Mapping[str, str] = os.environ) -> str | None:
    """`MYSQL_PWD`, as MySQL's own clients take it."""
    return environ.get("MYSQL_PWD")


@dataclass(frozen=True)
class LokiAccess:
    """Who asks Loki: a token, or a user with a password, or nobody; and the certificates to trust, if not the machine's."""

    token: str | None = field(default=None, repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    certificates: Path | None = None


def loki_access(environ: Mapping[str, str] = os.environ) -> LokiAccess:
    """`PAIRMARK_LOKI_TOKEN`, or `PAIRMARK_LOKI_USER` and `PAIRMARK_LOKI_PASSWORD`; `PAIRMARK_LOKI_CA` is a file."""
    certificates = environ.get("PAIRMARK_LOKI_CA")
    return LokiAccess(
        environ.get("PAIRMARK_LOKI_TOKEN") or None,
        environ.get("PAIRMARK_LOKI_USER") or None,
        environ.get("PAIRMARK_LOKI_PASSWORD") or None,
        Path(certificates) if certificates else None,
    )


def _user_data_folder() -> Path:
    import platformdirs  # noqa: PLC0415 - start-up time

    return Path(platformdirs.user_data_dir("pairmark", appauthor=False))


def without_password(url: str) -> str:
    """What of an address may be shown: a password can stand before the @, among the options, or anywhere in another form."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "(not shown)"
    credentials, at, host = rest.partition("?")[0].rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{host}"
