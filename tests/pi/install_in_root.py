"""A bare Debian becomes a gateway: `make pi`, three minutes, as root.

debootstrap makes the bare Debian in a folder; install.sh runs in it by chroot, in namespaces of its own, so that its
ports, processes and mounts meet nobody else's. There is no systemd in it: the units are checked in
`tests/infra/test_pi_files.py`, and the processes are started here as the units start them.
"""

import datetime
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.local.process import base_env
from infra.local.servers.mosquitto import site_broker
from infra.local.servers.pki import Authority
from tests.faults.hosts import run

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "gw-pi"
SITE_PORT = 18_884
GOAL_S = 300.0
TRUST = Path("/etc/ssl/certs/ca-certificates.crt")
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Pi:
    """A Debian in a folder, with a network namespace of its own for what it serves.

    Attributes:
        root: Its root folder.
        host: Its network namespace.
        wheel: The package, as seen from inside.
    """

    root: Path
    host: str
    wheel: str

    def command(self, *argv: str, network: bool, env: Sequence[str] = ()) -> list[str]:
        """The command that runs a program inside; in its own network, or in this machine's, to fetch packages."""
        enter = ["nsenter", f"--net=/run/netns/{self.host}"] if network else []
        proc = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.root}/proc"]
        clean = ["env", "-i", PATH, "HOME=/root", "PIP_CERT=/host/trust.crt", *env]
        return [*enter, *proc, *clean, "chroot", str(self.root), *argv]

    def run(self, *argv: str, status: int = 0) -> str:
        """Runs a program inside and returns all that it said."""
        words = self.command(*argv, network=False)
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - our own words
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, *words: str, status: int = 0) -> str:
        return self.run("/src/install.sh", *words, status=status)

    def file(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def mirror() -> str:
    """Where this machine's own Debian packages come from."""
    told = run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(CODENAME)|$(SITE)|$(REPO_URI)")
    found = [line.split("|") for line in told.splitlines()]
    return next(uri for origin, codename, _, uri in found if origin == "Debian" and codename == "bookworm")


@pytest.fixture(scope="session")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """A bare Debian, the project's wheel and install.sh in it."""
    assert os.geteuid() == 0, "make pi needs root: debootstrap and chroot do"
    if shutil.which("debootstrap") is None:
        run("apt-get", "update", "-q")
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", "debootstrap")
    folder = tmp_path_factory.mktemp("pi")
    root, host = folder / "root", f"ww-pi-{os.getpid()}"
    # PI_ROOT: a folder in which debootstrap has been before, for who runs this often.
    made = os.environ.get("PI_ROOT", "")
    debootstrap = ["debootstrap", "--variant=minbase", "bookworm", str(root), "" if made else mirror()]
    words = ["cp", "-a", made, str(root)] if made else debootstrap
    subprocess.run(words, check=True, timeout=600, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    shutil.copytree(ROOT / "infra" / "pi", root / "src")
    words = [str(Path(sys.executable).parent / "uv"), "build", "-q", "--wheel", "-o", str(root / "src"), str(ROOT)]
    subprocess.run(words, check=True, timeout=300)  # noqa: S603 - our own words
    (wheel,) = (root / "src").glob("*.whl")
    (root / "host").mkdir()
    shutil.copy(TRUST, root / "host" / "trust.crt")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    run("ip", "netns", "add", host)
    try:
        run("ip", "netns", "exec", host, "ip", "link", "set", "lo", "up")
        yield Pi(root, host, f"/src/{wheel.name}")
    finally:
        run("ip", "netns", "del", host)


def signed(authority: Authority, request: Path, target: Path) -> None:
    """Makes a certificate of a gateway's request, as a site's own authority does."""
    csr = x509.load_pem_x509_csr(request.read_bytes())
    authority.client("probe")
    issuer = x509.load_pem_x509_certificate((authority.folder / "ca.crt").read_bytes())
    key = serialization.load_pem_private_key((authority.folder / "ca.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(csr.subject).issuer_name(issuer.subject)
    builder = builder.public_key(csr.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=90))
    target.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def published(pi: Pi, authority: Authority, folder: Path) -> str:
    """Starts both brokers and the gateway; a monitor publishes; returns the topic heard above."""
    site = site_broker(folder / "site", SITE_PORT, authority.server("site-broker"), authority.client("probe"))
    ca, watcher = authority.folder / "ca.crt", authority.client("bridge")
    secret = pi.install("device", "mon-1").strip()
    settings = pi.file("/etc/wardwatch/edge.env").read_text().split("\n")
    edge_env = [shlex.quote(line) for line in settings if line] + ["UPLINK_FLUSH_S=1"]
    near = ["nsenter", f"--net=/run/netns/{pi.host}"]
    listen = [*near, "mosquitto_sub", "-V", "5", "-h", "localhost", "-p", str(SITE_PORT), "--cafile", str(ca)]
    listen += [
        "--cert",
        str(watcher.cert),
        "--key",
        str(watcher.key),
        "-t",
        "gateways/+/+/vitals",
        "-C",
        "1",
        "-F",
        "%t",
    ]
    reading = json.dumps({"boot": 1, "seq": 0, "t": int(time.time() * 1000), "hr": 72, "spo2": 98})
    inside = ["mosquitto_pub", "-V", "5", "-p", "8883", "-h", "localhost", "-u", "mon-1", "-P", secret, "-q", "1"]
    inside += [
        "--cafile",
        str(pi.file("/etc/wardwatch/broker/server.crt")),
        "-t",
        "devices/mon-1/vitals",
        "-m",
        reading,
    ]
    su = ("setpriv", "--reuid=wardwatch", "--regid=wardwatch", "--clear-groups")
    below = ("setpriv", "--reuid=mosquitto", "--regid=mosquitto", "--clear-groups")
    commands = [
        ([*near, *site.argv], base_env()),
        (
            pi.command(*below, "/usr/sbin/mosquitto", "-c", "/etc/wardwatch/broker/mosquitto.conf", network=True),
            base_env(),
        ),
        (pi.command(*su, "/opt/wardwatch/current/bin/python", "-m", "edge", network=True, env=edge_env), base_env()),
    ]
    commands.append((listen_until_there(listen), base_env()))
    queue = ("install", "-d", "-o", "mosquitto", "-g", "mosquitto", "/run/mosquitto/queue")
    run(*pi.command(*queue, network=False))  # as systemd does by the unit's RuntimeDirectory
    out = folder / "heard"  # what the brokers and the gateway say goes to our own standard error
    with out.open("w") as file:
        running = [subprocess.Popen(argv, env=env, start_new_session=True, stdout=file) for argv, env in commands]  # noqa: S603 - our own words
    try:
        deadline = time.monotonic() + 120
        while running[-1].poll() is None and time.monotonic() < deadline:
            subprocess.run([*near, *inside], check=False, capture_output=True, timeout=20)  # noqa: S603 - our own words
            threading.Event().wait(0.5)
        return out.read_text().strip()
    finally:
        for process in reversed(running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def listen_until_there(argv: Sequence[str]) -> list[str]:
    """The command that listens, tried until the broker is up."""
    return ["sh", "-c", f"until {shlex.join(argv)}; do sleep 0.2; done"]


@pytest.mark.timeout(900)
def test_a_bare_debian_publishes_within_five_minutes_after_one_command(pi: Pi, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.client("probe")
    shutil.copy(authority.folder / "ca.crt", pi.file("/src/site-ca.crt"))
    began = time.monotonic()
    uplink = f"mqtts://localhost:{SITE_PORT}"
    words = ("--gateway", GATEWAY, "--uplink", uplink, "--package", pi.wheel, "--ca", "/src/site-ca.crt")
    said = pi.install("install", *words)
    assert "gw-pi.csr registered" in said
    signed(authority, pi.file(pi.install("request").strip()), pi.file("/src/gw-pi.crt"))
    pi.install("certificate", "/src/gw-pi.crt")
    assert re.fullmatch(r"gateways/\d+/gw-pi/vitals", published(pi, authority, tmp_path))
    took_s = time.monotonic() - began
    sys.stderr.write(f"\nfrom bare Debian to a published reading: {took_s:.0f} s\n")
    assert took_s < GOAL_S


def test_a_second_run_changes_nothing(pi: Pi) -> None:
    before = {path: path.stat().st_mtime_ns for path in pi.file("/etc").rglob("*") if path.is_file()}
    assert "nothing to do" in pi.install("install", "--package", pi.wheel)
    assert {path: path.stat().st_mtime_ns for path in pi.file("/etc").rglob("*") if path.is_file()} == before


def test_keys_and_passwords_are_for_their_owners_alone(pi: Pi) -> None:
    for path in ("uplink.key", "edge.env", "broker/server.key", "broker/devices.passwords", "broker/gateway.passwords"):
        assert pi.file(f"/etc/wardwatch/{path}").stat().st_mode & 0o007 == 0
    assert pi.run("setpriv", "--reuid=nobody", "--clear-groups", "cat", "/etc/wardwatch/edge.env", status=1)


def test_a_gateway_carries_no_cloud_library(pi: Pi) -> None:
    found = {path.name.lower() for path in pi.file("/opt/wardwatch").rglob("site-packages/*")}
    assert "awscrt" in found
    assert not found & {"boto3", "pyspark", "ray", "confluent_kafka", "pyarrow", "moto"}


def test_an_upgrade_keeps_settings_and_rolls_back(pi: Pi) -> None:
    settings = pi.file("/etc/wardwatch/edge.env")
    with settings.open("a") as file:
        file.write("UPLINK_FLUSH_S=15\n")
    before = pi.file("/opt/wardwatch/current").readlink()
    # A newer release: the same wheel with one more byte is another version.
    name = pi.wheel.rpartition("/")[2]
    pi.file("/src/newer").mkdir()
    pi.file(f"/src/newer/{name}").write_bytes(pi.file(pi.wheel).read_bytes() + b"\0" * 0)
    with pi.file("/src/edge.lock").open("a") as file:
        file.write("# newer\n")
    pi.install("install", "--package", f"/src/newer/{name}")
    after = pi.file("/opt/wardwatch/current").readlink()
    assert after != before
    assert "UPLINK_FLUSH_S=15\n" in settings.read_text()
    pi.install("rollback")
    assert pi.file("/opt/wardwatch/current").readlink() == before
    pi.install("rollback")
    assert pi.file("/opt/wardwatch/current").readlink() == after


def test_a_broken_package_leaves_the_version_that_runs(pi: Pi) -> None:
    pi.file("/src/broken.whl").write_bytes(b"no wheel")
    before = pi.file("/opt/wardwatch/current").readlink()
    versions = sorted(pi.file("/opt/wardwatch/versions").iterdir())
    assert "is no wheel of Wardwatch" in pi.install("install", "--package", "/src/broken.whl", status=1)
    assert pi.file("/opt/wardwatch/current").readlink() == before
    assert sorted(pi.file("/opt/wardwatch/versions").iterdir()) == versions


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("install", "--gateway", "gw/1", "--uplink", "mqtts://x:1", "--package", "p"), "--gateway 'gw/1' must be"),
        (("install", "--uplink", "http://x", "--package", "p"), "--uplink 'http://x' must be mqtts"),
        (("install", "--package", "/src/none.whl"), "there is no package /src/none.whl"),
        (("install", "--colour", "red"), "there is no option --colour"),
        (("certificate", "/src/site-ca.crt"), "was made of another request"),
        (("device", "a/b"), "must be letters"),
        (("dance",), "there is no command 'dance'"),
    ],
)
def test_a_mistake_is_told_in_one_line(pi: Pi, words: tuple[str, ...], told: str) -> None:
    said = pi.install(*words, status=1)
    assert told in said
    assert len(said.splitlines()) == 1


def test_a_new_key_waits_for_its_certificate_beside_the_one_in_use(pi: Pi, tmp_path: Path) -> None:
    key = pi.file("/etc/wardwatch/uplink.key").read_bytes()
    request = pi.file(pi.install("request", "--new-key").strip())
    assert pi.file("/etc/wardwatch/uplink.key").read_bytes() == key
    signed(Authority(tmp_path / "pki"), request, pi.file("/src/new.crt"))
    pi.install("certificate", "/src/new.crt")
    assert pi.file("/etc/wardwatch/uplink.key").read_bytes() != key


def test_uninstalling_keeps_readings_unless_purged(pi: Pi) -> None:
    assert "kept: /var/lib/wardwatch" in pi.install("uninstall")
    assert not pi.file("/opt/wardwatch").exists()
    assert pi.file("/var/lib/wardwatch").exists()
    pi.install("uninstall", "--purge")
    assert not pi.file("/var/lib/wardwatch").exists()
    assert not pi.file("/etc/wardwatch").exists()
