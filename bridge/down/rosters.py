"""What goes down to gateways: rosters drawn from admissions, and the way of an action to its gateway. Pure."""

import logging
from typing import Final

import msgspec

from vitals import admissions
from vitals.actions import Action
from vitals.admissions import Admission, Roster
from vitals.bounds import MAX_DEVICES, MAX_MESSAGE, BoundError, decoded, fitting
from vitals.wire import topics

logger = logging.getLogger(__name__)
ROOM: Final = 64
"""Bytes that a roster's version may still grow by."""


class Rosters:
    """The admissions, and what the broker holds of the rosters that follow from them.

    A roster's version only grows, also when the admission with the highest version is removed and also over a restart
    of the bridge: a gateway that passes over older versions would otherwise keep a patient who has left.

    While two bridges have a slot in common, one may know of an admission that the other has yet to read. So a newer
    roster that this one cannot explain stands until the log is known to be read, and is overruled once at most.

    Args:
        slots: Slots that this bridge serves.
    """

    def __init__(self, slots: frozenset[int]) -> None:
        self._slots = slots
        self._admissions: dict[str, Admission] = {}
        self._by_gateway: dict[str, dict[str, Admission]] = {}
        self._by_device: dict[str, str] = {}
        self._told: dict[str, Roster] = {}
        self._held: set[str] = set()
        self._foreign: set[str] = set()
        self._overruled: set[str] = set()
        self._again: set[str] = set()
        self._puzzled = False
        self._changed: set[str] = set()
        self._cut: set[str] = set()

    def apply(self, patient: str, value: bytes | None) -> None:
        """Takes a record of topic `patients`; a tombstone removes the patient.

        Raises:
            ValueError: The record is no admission of that patient; what was known of the patient stays.
        """
        admission = None
        if value is not None:
            try:
                admission = decoded(value, Admission)
            except BoundError as error:
                raise ValueError(f"record of patient {patient} is no admission: {error}") from error
            if admission.patient != patient:
                raise ValueError(f"record with key {patient} is of patient {admission.patient}")
        before = self._admissions.pop(patient, None)
        if before:
            self._by_gateway[before.gateway].pop(patient)
        if admission:
            self._admissions[patient] = admission
            self._by_gateway.setdefault(admission.gateway, {})[patient] = admission
            self._by_device.update(dict.fromkeys(admission.devices, admission.gateway))
        touched = {one.gateway for one in (before, admission) if one is not None}
        self._changed |= touched
        self._overruled -= touched

    def found(self, roster: Roster) -> None:
        """Takes a roster that the broker holds: an earlier one of this bridge, or another bridge's."""
        gateway, told = roster.gateway, self._told.get(roster.gateway)
        self._held.add(gateway)
        if roster == told:
            return
        if told is None or roster.version >= told.version:
            self._told[gateway] = roster
            self._changed.add(gateway)
            self._foreign.add(gateway)
            self._puzzled = True
        else:
            # The broker has gone back to what it had saved.
            self._again.add(gateway)

    def lost(self) -> None:
        """Takes note that the connection to the broker is gone: nobody knows what it will hold when it is back."""
        self._held.clear()

    def all_found(self) -> None:
        """Takes note that what the broker holds has been found: of the rest it has forgotten what it was told."""
        self._again |= self._told.keys() - self._held

    def puzzled(self) -> bool:
        """Returns whether a roster that is not this bridge's was found since the last call."""
        was, self._puzzled = self._puzzled, False
        return was

    def due(self, is_read: bool = True) -> list[Roster]:
        """Returns the rosters to publish: those whose beds are not as the broker has them.

        Args:
            is_read: Whether the admissions are known to be read up to what was in the log when a foreign one was found.
        """
        found, waiting = [], set()
        for gateway in sorted(self._changed | self._again):
            if topics.slot(gateway) not in self._slots:
                continue
            told = self._told.get(gateway)
            roster = self._fitting(admissions.roster(gateway, self._by_gateway.get(gateway, {}).values()))
            if told and told.placements == roster.placements:
                if gateway in self._again:
                    found.append(told)
            elif told and gateway in self._foreign and told.version >= roster.version and not is_read:
                waiting.add(gateway)
            elif gateway in self._foreign and gateway in self._overruled:
                logger.error("another bridge draws up the roster of gateway %s otherwise; its own stands", gateway)
            else:
                if told:
                    roster = msgspec.structs.replace(roster, version=max(roster.version, told.version + 1))
                if gateway in self._foreign:
                    self._overruled.add(gateway)
                self._told[gateway] = roster
                found.append(roster)
        self._changed, self._foreign, self._again = waiting, self._foreign & waiting, set()
        return found

    def _fitting(self, roster: Roster) -> Roster:
        """Leaves out whom no message holds, those who came last: a broker ends the connection for a longer one.

        Their devices stay unassigned, and the alarm engine tells that nobody hears of them.
        """
        whole = msgspec.json.encode(roster)
        if len(whole) <= MAX_MESSAGE - ROOM and len(roster.placements) <= MAX_DEVICES:
            self._cut.discard(roster.gateway)
            return roster
        left = MAX_MESSAGE - ROOM - len(msgspec.json.encode(msgspec.structs.replace(roster, placements=())))
        by_age = sorted(roster.placements, key=lambda p: (p.since, p.device))
        kept = {placement.device for placement in fitting(by_age, left)}
        if roster.gateway not in self._cut:
            self._cut.add(roster.gateway)
            text = "gateway %s gets %d of its %d devices: more are longer than a message. Admit the others elsewhere"
            logger.error(text, roster.gateway, len(kept), len(roster.placements))
        return msgspec.structs.replace(roster, placements=tuple(p for p in roster.placements if p.device in kept))

    def expected(self) -> list[str]:
        """Returns the gateways in these slots that have beds with patients."""
        return [
            gateway
            for gateway, admissions in self._by_gateway.items()
            if topics.slot(gateway) in self._slots and any(a.discharged is None for a in admissions.values())
        ]

    def gateway_of(self, action: Action) -> str | None:
        """Returns the gateway of an action's patient, device or self; None when it is not of these slots."""
        gateway = self.owner_of(action)
        return gateway if gateway is not None and topics.slot(gateway) in self._slots else None

    def owner_of(self, action: Action) -> str | None:
        """Returns the same of whatever slots; None when nobody of that name is known."""
        admission = self._admissions.get(action.patient)
        gateway = admission.gateway if admission else self._by_device.get(action.patient)
        if gateway is None and action.patient in self._by_gateway:
            gateway = action.patient
        return gateway
