"""Lines of the audit log as sentences for people."""

import json
from typing import Any, Final

from cloud.console.auth.audit_log import Entry

SENTENCES: Final = {
    "acknowledge": "acknowledged an alarm of {patient}",
    "acknowledge-incident": "acknowledged the alarms of {patient}",
    "add-push-device": "switched on push at a device",
    "admit": "admitted {patient} to bed {bed}",
    "answer-question": "answered a question of ADT about {patient}: {verdict}",
    "assign-beds": "assigned beds {beds} to {nurse}",
    "audio-pause": "paused the sound of an alarm of {patient}",
    "cannot": "cannot come to {patient}",
    "change-limits": "changed the limits of {patient}: {changes}",
    "change-rota": "changed the rota: {contacts}",
    "chart": "charted for {patient}: consciousness {consciousness}, oxygen {oxygen}",
    "coming": "is coming to {patient}",
    "discharge": "discharged {patient}",
    "enter-contact": "changed contact {contact}",
    "fhir-observation": "read an observation of {patient} by FHIR",
    "fhir-observations": "read values of {patient} by program",
    "fhir-patient": "read {patient} by program",
    "identify": "changed name and facts of {patient}: {changes}",
    "make-key": "made an API key of user {user}",
    "make-link": "made a password link for user {user}",
    "not-actionable": "marked an alarm of {patient} as not actionable",
    "open-link": "opened the link of a message",
    "password-set": "set the own password",
    "prove-duty": "confirmed that messages arrive",
    "refused": "was refused: {path} needs the role {needed}",
    "refused-contact": "was refused a change of a contact: {why}",
    "refused-forged": "was refused: {path} did not come from the own page",
    "refused-link": "was refused a link: {why}",
    "remove-contact": "removed contact {contact} from the house",
    "roster-admit": "admitted {patient} to bed {bed} by a roster file",
    "roster-change": "changed {patient} by a roster file: {changes}",
    "set-roles": "set the roles of user {user}: {roles}",
    "sign-in": "signed in",
    "sign-in-refused": "failed to sign in",
    "sign-out": "signed out",
    "standby": "set a standby of {patient} in bed {bed} for {pause_s} s",
    "standby-end": "ended the standby of {patient} in bed {bed}",
    "take-beds": "gave the beds of {of} to {by} for {minutes} min",
    "transfer": "transferred {patient}: {changes}",
    "view-advice": "looked at advice on limits of {patient}",
    "view-audit": "looked at the audit log",
    "view-handover": "looked at the hand-over report of the last {hours} h",
    "view-history": "looked at the last {hours} h of {patient}",
    "view-observations": "looked at the due observations",
    "view-patient": "looked at {patient}",
    "view-printout": "printed the ward",
    "view-questions": "looked at the questions of ADT about {patients}",
    "view-system": "looked at test patients and equipment",
    "view-ward": "looked at the ward",
    "void-acknowledge": "acknowledged too late: an alarm of {patient} had risen",
    "void-answer": "answered by a link that was void: {why}",
}
UNSHOWN: Final = frozenset(("since", "version", "discharged"))
"""Fields of a change that repeat the time of the line."""


class _Facts(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "-"


def sentence(entry: Entry) -> str:
    """Returns a line as a sentence that follows the name of the person; an unknown kind with all its facts."""
    found: dict[str, Any] = json.loads(entry.detail)
    facts = _Facts({name: _plain(value) for name, value in found.items()})
    facts["patient"] = entry.patient or _plain(found.get("patient"))
    template = SENTENCES.get(entry.what)
    if template is None:
        told = ", ".join(f"{name} {value}" for name, value in facts.items() if value != "-")
        return f"{entry.what.replace('-', ' ')}: {told}" if told else entry.what.replace("-", " ")
    return template.format_map(facts)


def _plain(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items() if name not in UNSHOWN)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
