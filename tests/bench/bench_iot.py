"""Registering a fleet: `make bench ONLY=iot`, a thousand gateways with certificates in one command, against moto.

moto throttles nobody and is slower than AWS at a single call; AWS IoT takes some ten calls a second of a kind, so that
a thousand gateways take two minutes there at best. `BENCH_GATEWAYS` (1000) shortens it.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.local.ports import Ports
from infra.local.process import base_env
from infra.local.stack import MOTO, LocalStack

COUNT: Final = int(os.environ.get("BENCH_GATEWAYS", "1000"))


def request(name: str) -> bytes:
    """Returns a gateway's certificate request."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return csr.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "csrs").mkdir()
        names = [f"gw-{n:04d}" for n in range(COUNT)]
        for name in names:
            (here / "csrs" / f"{name}.csr").write_bytes(request(name))
        lines = [f"gateway,{name},ward-{n % 40},S{n}" for n, name in enumerate(names)]
        (here / "fleet.csv").write_text("kind,name,ward,serial\n" + "\n".join(lines) + "\n")
        with LocalStack(here / "var", ports=Ports.ephemeral(), parts=(MOTO,)) as stack:
            env = {**base_env(), **stack.env()}
            _run(env, "prepare")
            words = ("import", str(here / "fleet.csv"), "--csrs", str(here / "csrs"), "--out", str(here / "out"))
            first_s, cpu_s = _run(env, *words)
            again_s, _ = _run(env, *words)
        done = len(list((here / "out").glob("*.crt")))
    return [
        _row("iot.registered", done, "gateways", COUNT, "higher", "by one command, with certificates"),
        _row("iot.register_s", first_s, "s", None, "lower", f"{COUNT} gateways against moto"),
        _row("iot.register_cpu_ms", 1000 * cpu_s / COUNT, "ms/gateway", None, "lower", "of the command's own process"),
        _row("iot.again_s", again_s, "s", None, "lower", "the same command again, which changes nothing"),
    ]


def _run(env: dict[str, str], *words: str) -> tuple[float, float]:
    """Runs the command; returns its seconds, and its processor's."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [sys.executable, "-m", "infra.iot", *words]
    done = subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _row(name: str, value: float, unit: str, goal: float | None, better: str, note: str) -> dict[str, Any]:  # noqa: PLR0917 - the fields of a row, in its order
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": better, "note": note}
