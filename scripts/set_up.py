"""Set up `.venv` in the checkout: the pinned uv, then the locked packages of a set, then Pairmark itself.

Run as `python3 scripts/set_up.py run|dev|bench`. Needs nothing but the standard library. Does nothing, quickly, when
nothing changed. Parses on older Pythons so that they can say clearly that they are too old.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "set-up.json"
OLDEST = (3, 11)
SETS = ("run", "dev", "bench")  # each contains the one before


def main(arguments):
    """Set up the named set and return the exit code."""
    if len(arguments) != 1 or arguments[0] not in SETS:
        return fail("Usage: python3 scripts/set_up.py " + "|".join(SETS))
    with open(str(ROOT / "pyproject.toml"), "r+b") as lock:  # two makes at once take turns
        fcntl.flock(lock, fcntl.LOCK_EX)
        return set_up(arguments[0])


def set_up(wanted):
    """Bring `.venv` to the locked state of `wanted`, or of the larger set that is already there."""
    found = read_stamp()
    if is_current(found, wanted):
        return 0
    if not is_usable(found):
        problem = create_environment()
        if problem:
            return fail(problem)
    wanted = max(wanted, found.get("set", wanted), key=SETS.index)
    print("Setting up .venv (" + wanted + " packages) ...", flush=True)
    try:
        install(wanted)
    except subprocess.CalledProcessError as error:
        return fail("Setting up .venv failed, see above ({}). The same command tries again.".format(error.returncode))
    STAMP.write_text(json.dumps({"set": wanted, "digest": digest(), "root": str(ROOT)}))
    return 0


def read_stamp():
    """What the last complete set-up left behind, or nothing."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def is_current(found, wanted):
    """Whether the environment already holds `wanted` in the locked versions, at this place."""
    return (
        found.get("digest") == digest()
        and found.get("root") == str(ROOT)
        and SETS.index(found.get("set", SETS[0])) >= SETS.index(wanted)
        and PYTHON.exists()
    )


def is_usable(found):
    """Whether `.venv` was made here, by a Python new enough, and holds pip."""
    question = "import pip, sys; sys.exit(sys.version_info < {!r})".format(OLDEST)
    return (
        found.get("root", str(ROOT)) == str(ROOT)  # a moved environment has wrong paths in its commands
        and PYTHON.exists()
        and subprocess.call([str(PYTHON), "-c", question], stderr=subprocess.DEVNULL) == 0
    )


def digest():
    """SHA-256 over everything that decides what is installed."""
    total = hashlib.sha256()
    for path in [ROOT / "pyproject.toml"] + sorted((ROOT / "requirements").glob("*.txt")):
        total.update(path.read_bytes())
    return total.hexdigest()


def create_environment():
    """Make a fresh `.venv`; return a sentence for the user if that cannot be."""
    if sys.version_info < OLDEST:
        return "Pairmark needs Python 3.11 or newer; {} is {}.{}. Name a newer one: make PYTHON=python3.12 ...".format(
            sys.executable, sys.version_info[0], sys.version_info[1]
        )
    shutil.rmtree(str(VENV), ignore_errors=True)
    if subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0:
        shutil.rmtree(str(VENV), ignore_errors=True)
        return (
            sys.executable + " could not create .venv (see above). "
            "On Debian and Ubuntu install the package python3-venv, or name another Python: make PYTHON=python3.12 ..."
        )
    return ""


def install(wanted):
    """Install uv by pip, everything else by uv, all of it by hash, and Pairmark as an editable package.

    Where uv cannot reach the packages, pip does it: slower, but it got uv here, so it knows the way.
    """
    requirements = ROOT / "requirements"
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    uv = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON]
    packages = ["--require-hashes", "-r", requirements / (wanted + ".txt")]
    call(pip + ["--require-hashes", "-r", requirements / "uv.txt"], os.environ)
    settings = uv_settings()
    try:
        call(uv + packages, settings)
    except subprocess.CalledProcessError:
        print("uv could not install them, see above; pip tries.", flush=True)
        call(pip + packages, os.environ)
    call(uv + ["--offline", "--no-deps", "--no-build-isolation", "--editable", ROOT], settings)


def call(command, settings):
    """Run a command in the checkout; raise if it fails."""
    words = [str(word) for word in command]
    subprocess.run(words, check=True, cwd=str(ROOT), env=dict(settings), stdin=subprocess.DEVNULL)


def uv_settings():
    """The environment, with the mirror and the certificates that pip is set to use under uv's names for them."""
    listed = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], stdout=subprocess.PIPE, check=False).stdout
    pip_settings = {}
    for line in listed.decode("utf-8", "replace").splitlines():  # global.index-url='…' or :env:.cert='…'
        name, _, value = line.partition("=")
        pip_settings[name.rpartition(".")[2]] = value.strip("'\"")
    settings = dict(os.environ)
    for pip_name, uv_name in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        if pip_settings.get(pip_name):
            settings.setdefault(uv_name, pip_settings[pip_name])
    return settings


def fail(sentence):
    """Say why and return the exit code of a wrong request."""
    print(sentence, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
