"""Under whose account PostgreSQL runs: ours, or, because it refuses root, an ordinary one that root lends it.

Root hands over the least that works: nothing, else the capability to walk through closed folders, else (containers
often lack that one) the capability to pass all file rights. So no parent folder's rights are ever changed. The
capabilities also need `no_setuid_fixup`: without it access(2), by which PostgreSQL checks its programs, ignores them.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pairmark.errors import BadRequest
from pairmark.storage.server_binaries import clean_environment, program

_REMEDY = "Run Pairmark as an ordinary user, or give --database URL."


@dataclass(frozen=True)
class Account:
    """How to start a program under the account; uid and gid are None when it is our own."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def run(self, argv: list[str | Path], *, stderr: int) -> subprocess.CompletedProcess[str]:
        """Run to the end in a session of its own (a Ctrl-C of the terminal does not reach it), output kept as text."""
        switch = self.uid is not None and not self.prefix
        return subprocess.run(  # noqa: S603  (our own programs)
            [*self.prefix, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,
            cwd="/",
            env=clean_environment(),
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=[] if switch else None,
        )

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def owner_of(home: Path, folder: Path) -> Account:
    """Who owns the server's folder, or will: we; for root the present owner of folder or home, else `nobody`."""
    if os.geteuid() != 0:
        return Account()
    for path in (folder, home):
        if path.exists() and (found := path.stat()).st_uid != 0:
            return Account(found.st_uid, found.st_gid)
    return _nobody()


def with_access(owner: Account, folder: Path) -> Account:
    """The account with just enough rights to reach its own folder and the programs; `BadRequest` if nothing does."""
    if owner.uid is None:
        return owner
    for prefix in ((), *_lent_prefixes(owner)):
        account = Account(owner.uid, owner.gid, prefix)
        if _reaches(account, folder):
            return account
    raise BadRequest(
        f"PostgreSQL does not run as root, and user {owner.uid}, who would run it, cannot reach {folder}.",
        remedy=_REMEDY,
    )


def _nobody() -> Account:
    import pwd  # noqa: PLC0415  (absent on Windows)

    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        raise BadRequest("PostgreSQL does not run as root, and there is no user nobody here.", remedy=_REMEDY) from None
    return Account(found.pw_uid, found.pw_gid)


def _lent_prefixes(owner: Account) -> list[tuple[str, ...]]:
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return []
    switch = (
        setpriv,
        f"--reuid={owner.uid}",
        f"--regid={owner.gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",
    )
    return [
        (*switch, f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}")
        for capability in ("dac_read_search", "dac_override")
    ]


def _reaches(account: Account, folder: Path) -> bool:
    question: list[str | Path] = ["sh", "-c", 'test -w "$1" && test -x "$2"', "sh", folder, program("postgres")]
    try:
        return account.run(question, stderr=subprocess.DEVNULL).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
