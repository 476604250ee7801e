"""A notifier on an in-memory log, with people's phones written by hand and a clock that tests turn."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec

from cloud.duty.records import Duty, key_of
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.notify.channels.port import MessageChannel, NoChannelError, Receipt, RenderedMessage, SendError
from cloud.notify.delivery.attempts import Delivery
from cloud.notify.delivery.throttle import RecipientQueues
from cloud.notify.follow_up.reach import Reach
from cloud.notify.log_output import LogOutput
from cloud.notify.messages.templates import Links
from cloud.notify.notifier import Notifier, Terms
from cloud.notify.routing.on_call import OnCall
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, decode, encode
from vitals.contacts import Channel, Contact, Notification, Rota
from vitals.wire import topics

START = 1_763_812_800_000
KEY = "an invented key of 32 characters"


@dataclass
class Phones:
    """People's phones: remembers what reached them; `refuse` tells whose channel fails."""

    refuse: set[str] = field(default_factory=set)
    refuse_directly: set[str] = field(default_factory=set)
    calls: int = 0
    got: list[tuple[str, str]] = field(default_factory=list)
    numbers: list[str | None] = field(default_factory=list)
    prepared: set[str] = field(default_factory=set)
    addresses: dict[str, str | None] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    released: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, contact: Contact) -> None:
        self.prepared.add(contact.contact)
        self.addresses[contact.contact] = contact.phone

    def release(self, contact: str) -> None:
        self.released.append(contact)

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        return self._send(contact, texts, self.refuse, texts.channels)

    def send_directly(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        return self._send(contact, texts, self.refuse_directly, (Channel.SMS,))

    def _send(self, contact: Contact, texts: RenderedMessage, refuse: set[str], by: tuple[Channel, ...]) -> Receipt:
        with self._lock:
            self.calls += 1
            if contact.contact in self.without:
                raise NoChannelError(f"{contact.contact} has no channel")
            if contact.contact in refuse:
                raise SendError("Throttling: rate exceeded")
            self.got.append((contact.contact, texts.sms))
            self.numbers.append(contact.phone)
            return Receipt(f"sns-{len(self.got)}", by)


@dataclass
class Station:
    """A notifier with its log and a clock that tests turn."""

    layout: Partitioning
    pool: ThreadPoolExecutor
    phones: Phones = field(default_factory=Phones)
    sender: MessageChannel | None = None
    """In place of the phones."""
    now: int = START
    defaults: dict[str, Contact] = field(default_factory=dict)
    arrived: list[Notification] = field(default_factory=list)
    reach: Reach = field(default_factory=Reach)

    def __post_init__(self) -> None:
        self.log = MemoryLog(lambda: self.now)
        self.reader = MemoryReader(self.log)

    def start(self) -> Notifier:
        notifier = Notifier(
            terms=Terms(self.layout, Links("https://w.example.org", KEY), 30_000, 5_000),
            reader=self.reader,
            output=LogOutput(self.layout, MemoryWriter(self.log)),
            on_call=OnCall(self.defaults, "technical"),
            queues=RecipientQueues(5, 6000, 60_000),
            delivery=Delivery(self.sender or self.phones, self.pool, 3, lambda: self.now),
            clock=lambda: self.now,
            reach=self.reach,
            arrived=self.arrived.append,
        )
        notifier.start()
        return notifier

    def settle(self, notifier: Notifier) -> None:
        """Works until nothing waits, the clock running a second a round."""
        for _ in range(200):
            notifier.step(0)
            if not notifier.queues and not notifier.delivery and not notifier.router.late:
                return
            self.pool.submit(int).result()
            self.now += 1000
        raise AssertionError("the notifier did not come to rest")

    def alarm(self, event: AlarmEvent) -> None:
        place = (topics.ALARMS, self.layout.of(event))
        self.log.append(place, event.subject.encode(), encode(event))

    def duty(self, *contacts: Contact, ward: str = "icu", proof: bool = False) -> None:
        self.enter(Rota(ward=ward, version=self.now, contacts=contacts, proof=proof))

    def enter(self, *values: Duty) -> None:
        for value in values:
            self.log.append((topics.CONTACTS, 0), key_of(value), msgspec.json.encode(value))

    def admit(self, admission: Admission) -> None:
        place = (topics.PATIENTS, self.layout.partition(admission.patient))
        self.log.append(place, admission.patient.encode(), msgspec.json.encode(admission))

    def notifications(self) -> list[Notification]:
        return [msgspec.json.decode(r.value or b"", type=Notification) for r in self.log.records(topics.NOTIFICATIONS)]

    def raised(self, condition: str) -> list[AlarmEvent]:
        events = [decode(r.value or b"") for r in self.log.records(topics.ALARMS)]
        return [event for event in events if event.condition == condition]
