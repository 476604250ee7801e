"""Changes of several wards' rotas by one file: the records to write."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from cloud.duty.directory import entered
from cloud.duty.house import House
from cloud.duty.records import Duty
from vitals.contacts import Contact, Messages, Rota


def by_ward(rows: Iterable[tuple[str, Contact]]) -> dict[str, list[Contact]]:
    """Returns the rows of each ward, by ward."""
    wards: dict[str, list[Contact]] = {}
    for ward, contact in rows:
        wards.setdefault(ward, []).append(contact)
    return dict(sorted(wards.items()))


def of_rotas(
    house: House,
    wards: Mapping[str, Iterable[Contact]],
    version: int,
    *,
    whole: bool = False,
    proof: bool | None = None,
    messages: Messages | None = None,
) -> list[Duty]:
    """Returns the records that replace wards' rotas: the entries of the directory first, then each rota.

    `house` is changed as the records will change it. `proof` and `messages` are each ward's settings; None keeps one.

    Raises:
        DirectoryError: A row is not allowed; nothing must be written then.
    """
    people: list[Duty] = []
    rotas: list[Duty] = []
    for ward, rows in wards.items():
        changed, duties = entered(house, ward, rows, version, whole=whole)
        known = house.rotas.get(ward)
        rota = rota_after(known, Rota(ward=ward, version=version, contacts=duties), proof, messages)
        records: list[Duty] = [*changed, rota]
        for value in records:
            house.take(value)
        people += changed
        rotas.append(rota)
    return [*people, *rotas]


def rota_after(known: Rota | None, wanted: Rota, proof: bool | None, messages: Messages | None) -> Rota:
    """Returns a rota with the ward's settings; None keeps a setting of the known rota."""
    before = wanted if known is None else known
    return replace(
        wanted,
        proof=before.proof if proof is None else proof,
        messages=before.messages if messages is None else messages,
    )
