"""`make setup`: everything that a fresh clone needs, fetched once.

Standard library alone, run by the system's Python before there is a virtual environment. All checks come before
anything is changed; every step leaves a stamp of what it was made from, so a second run takes no time.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this very script is what tells the user of an older Python
    sys.exit(
        "Python %d.%d is too old and Wardwatch needs 3.11 or newer. Install it: sudo apt-get install -y python3.11 "  # noqa: UP031
        "python3.11-venv, then run make PYTHON=python3.11" % sys.version_info[:2]
    )

from infra.local import prerequisites

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def say(line: str) -> None:
    """One line of progress, shown at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(*argv: str) -> None:
    """Runs a step with its own output visible; its failure ends the setup."""
    # uv trusts its own list alone unless told; a company's proxy is known to the system's.
    trust = {"UV_SYSTEM_CERTS": "1"} if SYSTEM_CERTIFICATES.exists() else {}
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **trust}, check=False)  # noqa: S603 - this file's own words
    if done.returncode != 0:
        sys.exit(
            f"Setup stopped: {' '.join(argv)} failed ({done.returncode}). Mend what it says, then run make setup again"
        )


def check() -> None:
    """Ends with one line per problem when this machine lacks something that setup cannot bring itself."""
    found = prerequisites.check_java()
    if not PYTHON.exists():
        found += prerequisites.check_venv()
    if not _python_is_ready():
        found += prerequisites.check_disk(ROOT) + prerequisites.check_disk(prerequisites.cache_folder())
    if prerequisites.apt_prefix() is None:
        found += prerequisites.check_mosquitto()
    if found:
        sys.exit("\n".join(dict.fromkeys(str(finding) for finding in found)))


def install_mosquitto() -> None:
    """The MQTT broker and its command-line clients, by apt."""
    prefix = prerequisites.apt_prefix()
    if not prerequisites.check_mosquitto() or prefix is None:
        return
    say("Installing Mosquitto with apt")
    run(*prefix, "apt-get", "update", "-q")
    install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *prerequisites.APT_PACKAGES)
    run(*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *install)


def install_browser() -> None:
    """The browser of the ward page's tests and pictures; nothing else needs it, so its absence stops nothing."""
    prefix = prerequisites.apt_prefix()
    if prerequisites.find_program(prerequisites.BROWSER):
        return
    if prefix is None:
        command = prerequisites.apt_line((prerequisites.BROWSER,))
        say(f"Without a browser the ward page's tests fail. Install it: {command}")
        return
    say("Installing Chromium with apt")
    run(*prefix, "apt-get", "update", "-q")
    install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", prerequisites.BROWSER)
    run(*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *install)


def install_python() -> None:
    """The virtual environment with every extra, exactly as locked."""
    if _python_is_ready():
        return
    if not PYTHON.exists():
        say("Making the virtual environment .venv")
        run(sys.executable, "-m", "venv", str(VENV))
    say("Installing the locked packages into .venv")
    run(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    run(
        str(VENV / "bin" / "uv"),
        "sync",
        "--frozen",
        "--inexact",
        "--all-extras",
        "--group",
        "dev",
        "--python",
        str(PYTHON),
    )
    _stamp().write_text(_wanted())


def install_jars() -> None:
    """Kafka's server and Spark's connector."""
    run(str(PYTHON), "-m", "infra.local.maven_jars")


def make_classes() -> None:
    """What Spark loads, laid out for its virtual machine; it starts without it too."""
    run(str(PYTHON), "-m", "infra.local.jvm_class_archive")


def main(words: Sequence[str]) -> int:
    """All steps, in order; with the word `browser`, that of the tests alone."""
    if list(words) == ["browser"]:
        install_browser()
        return 0
    check()
    install_mosquitto()
    install_python()
    install_jars()
    make_classes()
    return 0


def _stamp() -> Path:
    return VENV / ".wardwatch-setup"


def _wanted() -> str:
    content = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "uv.lock"))
    return hashlib.sha256(content + str(VENV).encode()).hexdigest()


def _python_is_ready() -> bool:
    return PYTHON.exists() and _stamp().exists() and _stamp().read_text() == _wanted()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
