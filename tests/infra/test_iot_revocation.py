"""A gateway that was retired, or whose certificate has expired, at a real broker: kept out, and told why."""

import datetime
import os
import pwd
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.iot.revocation import main as revoke
from infra.local.pki import Authority, Identity
from infra.local.ports import Ports
from infra.local.prerequisites import find_program
from infra.local.probes import mqtt_accepts, tcp_accepts
from infra.local.process import base_env
from infra.local.servers.mosquitto import site_acl, site_settings
from tests.support.waiting import within

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Site:
    """A site's broker with a list of revoked certificates."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> Authority:
        return Authority(self.folder / "pki")

    def revoke(self, *identities: Identity) -> None:
        pki = self.folder / "pki"
        words = ["--ca", str(pki / "ca.crt"), "--ca-key", str(pki / "ca.key"), "--out", str(self.folder / "site.crl")]
        assert revoke([*words, *(str(identity.cert) for identity in identities)]) == 0

    def start(self) -> None:
        server = self.authority.server("site-broker")
        (self.folder / "acl").write_text(site_acl(("bridge",)))
        (self.folder / "acl").chmod(0o600)
        own = {"listener": f"{self.port} 127.0.0.1", "persistence_location": f"{self.folder}/"}
        own |= {"cafile": f"{server.ca}", "certfile": f"{server.cert}", "keyfile": f"{server.key}"}
        lines = site_settings({**own, "acl_file": f"{self.folder / 'acl'}"})
        lines += [f"user {pwd.getpwuid(os.geteuid()).pw_name}", f"crlfile {self.folder / 'site.crl'}"]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        argv = [str(find_program("mosquitto")), "-c", str(self.folder / "mosquitto.conf")]
        self.process = subprocess.Popen(argv)  # noqa: S603 - our own words
        assert within(10, lambda: tcp_accepts(self.port))

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path, Ports.ephemeral(gateways=1).site)
    yield found
    found.stop()


def gateway_says(site: Site, identity: Identity) -> str:
    """What a gateway's log says of its uplink, once it has tried."""
    env = {
        **base_env(), "GATEWAY": "gw-icu", "DEVICE_BROKER": "mqtt://127.0.0.1:9", "UPLINK": f"mqtts://127.0.0.1:{site.port}",
        "UPLINK_CA": str(identity.ca), "UPLINK_CERT": str(identity.cert), "UPLINK_KEY": str(identity.key),
        "EDGE_DATA": str(site.folder / "edge"), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    log = site.folder / "edge.log"
    with log.open("wb") as file:
        gateway = subprocess.Popen([sys.executable, "-m", "edge"], env=env, cwd=ROOT, stderr=file)
    try:
        assert within(60, lambda: "uplink" in log.read_text()), log.read_text()
        return log.read_text()
    finally:
        gateway.kill()
        gateway.wait()


def test_a_retired_gateway_is_kept_out_at_its_next_connection_and_the_others_are_not(site: Site) -> None:
    retired, other = site.authority.client("gw-icu"), site.authority.client("gw-med")
    site.revoke()
    site.start()
    assert mqtt_accepts(site.port, retired)
    site.revoke(retired)
    site.stop()
    site.start()
    assert not mqtt_accepts(site.port, retired)
    assert mqtt_accepts(site.port, other)
    assert "uplink" in gateway_says(site, retired)


def test_revoking_again_keeps_what_was_revoked_before(site: Site) -> None:
    one, two, three = (site.authority.client(f"gw-{n}") for n in (1, 2, 3))
    site.revoke(one)
    site.revoke(two)
    site.revoke(two)
    site.start()
    assert [mqtt_accepts(site.port, identity) for identity in (one, two, three)] == [False, False, True]


def test_an_expired_certificate_is_refused_by_the_broker(site: Site) -> None:
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=200)
    site.authority.client("gw-med")
    site.revoke()
    site.start()
    # The same authority, with the clock of two hundred days ago.
    former = Authority(site.folder / "pki", now=lambda: long_ago).client("gw-old")
    assert not mqtt_accepts(site.port, former)
    assert mqtt_accepts(site.port, site.authority.client("gw-med"))


@pytest.mark.parametrize(("days", "status", "told"), [(-200, 1, "has expired"), (-70, 0, "expires soon"), (0, 0, "")])
def test_a_pi_tells_of_an_expired_certificate_and_thirty_days_before(
    tmp_path: Path, days: int, status: int, told: str
) -> None:
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    certificate = Authority(tmp_path, now=lambda: then).client("gw-icu").cert
    script = str(ROOT / "infra" / "pi" / "files" / "check-certificate")
    env = {**base_env(), "UPLINK_CERT": str(certificate), "GATEWAY": "gw-icu"}
    for words, expected in ((["--strict"], status), ([], 0)):
        done = subprocess.run([script, *words], env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        assert (done.returncode, told in done.stdout, bool(done.stdout)) == (expected, True, bool(told))
        assert not told or "infra.iot rotate gw-icu" in done.stdout


def test_a_foreign_certificate_is_not_revoked_in_our_authoritys_name(
    site: Site, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    site.authority.client("gw-1")
    foreign = Authority(tmp_path_factory.mktemp("other")).client("gw-2")
    pki = site.folder / "pki"
    words = ["--ca", str(pki / "ca.crt"), "--ca-key", str(pki / "ca.key"), "--out", str(site.folder / "site.crl")]
    assert revoke([*words, str(foreign.cert)]) == 1
    assert "was not issued by" in capsys.readouterr().err
    assert not (site.folder / "site.crl").exists()


def test_tls_contexts_see_the_list_too(site: Site) -> None:
    gone = site.authority.client("gw-1")
    site.revoke(gone)
    context = ssl.create_default_context(cafile=str(gone.ca))
    context.load_verify_locations(site.folder / "site.crl")
    assert context.cert_store_stats()["crl"] == 1
