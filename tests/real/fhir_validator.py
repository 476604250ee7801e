"""HL7's own validator on what the ward page's FHIR routes answer: no error, and broken resources are refused.

`make real` runs it. The validator is HAPI's, by Maven coordinates, locked in `jars.toml`, in the shared cache; it needs
a JDK. Its remarks below an error are printed. `python -m tests.real.fhir_validator lock` rewrites the lock.
"""

import copy
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from cloud.console.auth.accounts import Role
from infra.local.maven_jars import fetch, locked, read_lock
from tests.console.stage import MemoryHistory, Stage, build, event, playing, ward
from vitals.signs import FIELDS, SUSPECT_BITS, Suspect

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "jars.toml"
ROOTS: Final = tuple(
    f"ca.uhn.hapi.fhir:hapi-fhir-{name}:8.8.0"
    for name in ("validation", "validation-resources-r4", "structures-r4", "caching-caffeine")
)
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Remark:
    """A line of the validator.

    Attributes:
        severity: fatal, error, warning or information; done after the last remark of a file.
        name: Name of the resource.
        place: Element.
        text: What is wrong with it.
    """

    severity: str
    name: str
    place: str
    text: str


def remarks(resources: Mapping[str, Resource], folder: Path) -> list[Remark]:
    """Validates resources by name; every one of them has been judged."""
    jars = read_lock(LOCK)["fhir-validator"]
    fetch(jars)
    for name, resource in resources.items():
        (folder / f"{name}.json").write_text(json.dumps(resource))
    argv = ["java", "-Xmx1g", "-cp", f"{jars.folder}/*", str(HERE / "Validate.java")]
    argv += [str(folder / f"{name}.json") for name in resources]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - fixed words
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split("\t", 3) for line in done.stdout.splitlines() if line.count("\t") >= 3]
    found = [Remark(severity, Path(file).stem, place, text) for severity, file, place, text in lines]
    assert [r.name for r in found if r.severity == "done"] == list(resources)
    return [remark for remark in found if remark.severity != "done"]


class DoubtfulHistory(MemoryHistory):
    """A history whose readings are, in turn, whole, doubtful, without a sensor, and without systole and diastole."""

    def readings(
        self,
        patient: str,
        begin: int,
        end: int,
        *,
        limit: int,
        offset: int,
        oldest_first: bool = False,
        stored: tuple[int, int] = (0, 2**62),
    ) -> list[dict[str, Any]]:
        whole = super().readings(
            patient, begin, end, limit=limit, offset=offset, oldest_first=oldest_first, stored=stored
        )
        off = {"spo2": None, "suspect": Suspect.SENSOR_OFF << (SUSPECT_BITS * FIELDS.index("spo2"))}
        doubt = {"suspect": Suspect.SPIKE << (SUSPECT_BITS * FIELDS.index("hr"))}
        changes: list[dict[str, Any]] = [{}, doubt, off, {"sbp": None, "dbp": None}]
        return [row | changes[i % len(changes)] for i, row in enumerate(whole)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = build(tmp_path)
    newest = made.history.newest
    made.parts.history = made.history = DoubtfulHistory()
    made.history.newest = newest
    ward(made, "icu", 2)
    made.user("bela", {"icu": Role.NURSE})
    made.alarm(event(made.person("p-00001"), "spo2", made.now(), "SpO2 84 % below 85 %"))
    made.parts.feed.tick()
    with playing(made):
        yield made
    made.parts.accounts.close()
    made.parts.audit.close()


def served(stage: Stage) -> dict[str, Resource]:
    """Reads one of every kind from the running page, as a program does."""
    paths = {
        "metadata": "metadata",
        "patient": "Patient/p-00001",
        "observations": "Observation?patient=p-00001&_count=4",
        "summary": "Observation?patient=p-00001&_count=2&_summary=true",
        "count": "Observation?patient=p-00001&_summary=count",
        "encounters": "Encounter?patient=p-00001",
        "encounter": "Encounter/p-00001",
        "devices": "Device?patient=p-00001",
        "flags": "Flag?patient=p-00001",
        "unknown-patient": "Patient/nobody",
        "malformed": "Observation?patient=p-00001&_sort=code",
    }
    key = stage.parts.accounts.key("bela", stage.now())
    with httpx2.Client(base_url=f"{stage.url}/fhir/", headers={"Authorization": f"Bearer {key}"}) as http:
        found: dict[str, Resource] = {name: http.get(path).json() for name, path in paths.items()}
    for entry in found["observations"]["entry"]:
        found[f"observation-{entry['resource']['id'].rpartition('-')[2]}"] = entry["resource"]
    return found


def broken(found: Mapping[str, Resource]) -> dict[str, Resource]:
    """Breaks served resources, each in one place."""
    changes: dict[str, tuple[str, Callable[[Resource], object]]] = {
        "no-status": ("observation-hr", lambda r: r.pop("status")),
        "another-code-than-the-profiles": ("observation-hr", lambda r: r["code"]["coding"][0].update(code="9279-1")),
        "another-unit-than-the-profiles": ("observation-temp", lambda r: r["valueQuantity"].update(code="K")),
        "no-category": ("observation-rr", lambda r: r.pop("category")),
        "no-date": ("patient", lambda r: r.update(birthDate="yesterday")),
        "no-class": ("encounter", lambda r: r.pop("class")),
        "an-element-of-nobody": ("encounter", lambda r: r.update(ward="icu")),
    }
    made = {}
    for name, (of, change) in changes.items():
        made[name] = copy.deepcopy(found[of])
        change(made[name])
    return made


def test_hl7s_validator_finds_no_error_in_what_is_served_and_refuses_what_is_broken(
    stage: Stage, tmp_path: Path
) -> None:
    found = served(stage)
    kinds = {entry["resource"]["resourceType"] for bundle in found.values() for entry in bundle.get("entry", [])}
    assert {"Observation", "Encounter", "Device", "Flag"} <= kinds
    wrong = broken(found)
    said = remarks(found | wrong, tmp_path)
    errors = {remark for remark in said if remark.severity in {"error", "fatal"}}
    counts = Counter(f"{remark.severity}: {remark.text}" for remark in said if remark.name in found)
    for text, count in counts.most_common():
        sys.stdout.write(f"{count:4} x {text}\n")
    sys.stdout.write(f"{len(found)} resources served, {len(wrong)} broken\n")
    assert [error for error in errors if error.name in found] == []
    assert {error.name for error in errors} == set(wrong)


if __name__ == "__main__":
    assert sys.argv[1:] == ["lock"], "usage: python -m tests.real.fhir_validator lock"
    LOCK.write_text(
        "# Written by `python -m tests.real.fhir_validator lock`. Do not edit.\n" + locked("fhir-validator", ROOTS)
    )
