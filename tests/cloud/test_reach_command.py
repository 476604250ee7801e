"""`python -m cloud reach`: who on duty is not reached."""

from collections.abc import Callable

import msgspec

from cloud.cli.reach import lines
from cloud.kafka.port import Record
from vitals.contact_standing import ContactStanding, Standing, addresses, standing_key
from vitals.contacts import Channel, Contact, Rota
from vitals.wire import topics

T0 = 1_763_812_800_000


def record(topic: str, key: str, value: msgspec.Struct) -> Record:
    return Record(topic, 0, 0, T0, key.encode(), msgspec.json.encode(value))


def stands(contact: Contact, **channels: Standing) -> Record:
    found = {Channel(name): standing for name, standing in channels.items()}
    standing = ContactStanding(contact=contact.contact, of=addresses(contact), channels=found, t=T0)
    return record(topics.CHANNELS, standing_key(contact.contact), standing)


def test_it_names_who_on_duty_is_not_reached_and_by_which_channel(contact: Callable[..., Contact]) -> None:
    well, half, none, new = (contact(name) for name in ("well", "half", "none", "new"))
    later = contact("later", start=T0 + 1)
    moved = contact("moved", phone="+441632960099")
    rota = Rota(ward="icu", version=1, contacts=(well, half, none, new, later, moved))
    found = lines(
        [
            record(topics.CONTACTS, "icu", rota),
            stands(well, sms=Standing.READY, email=Standing.READY),
            stands(half, sms=Standing.READY, email=Standing.PENDING),
            stands(none, sms=Standing.OPTED_OUT, email=Standing.GONE),
            stands(later, sms=Standing.OPTED_OUT),
            stands(contact("moved"), sms=Standing.READY),
        ],
        T0,
    )
    assert list(found) == [
        "icu  half: email: pending",
        "icu  none: sms: opted-out; email: gone  NO CHANNEL",
        "icu  new: not checked yet",
        "icu  moved: not checked yet",
    ]
