"""Random receivers and a random SNS, around a notifier on a moved clock: for a test's few storms and a bench's many."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from cloud.ack_links import number
from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.sms_delivery_log import SmsDeliveryLog
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.follow_up.delivery_follow import DeliveryFollow
from cloud.notify.follow_up.reach import Reach
from cloud.notify.notifier import Notifier
from infra.local.servers.sns import delivery_log
from infra.local.servers.sns.server import Options, Sns
from infra.local.servers.sns.trouble import Fate, State, Trouble
from tests.cloud.conftest import make_contact, make_event
from tests.cloud.station import Station
from tests.support.waiting import until
from vitals.alarm_events import AlarmEvent, Phase

CHECK_MS, LOG_MS, WITHIN_MS = 60_000, 10_000, 30_000
ALARMS, APART_S = 40, 15
PHONES = {"nurse": "+441632960001", "doctor": "+441632960002"}
MAILS = {"nurse": "nurse@example.org", "charge": "charge@example.org"}
PHONE_STATES = ("opted-out", "failing", "removed", "fine", "confirmed")
MAIL_STATES = ("pending", "deactivated", "removed", "confirmed", "confirmed")
FATES = (Fate.THROTTLE, Fate.ERROR, Fate.LOSE)


@dataclass
class Storm:
    """A ward of three, and what is done to its receivers."""

    ward: Station
    bad: Sns
    channels: ContactChannels
    follow: DeliveryFollow
    changed: dict[str, int] = field(default_factory=dict)

    def run(self, seed: int, safe: str | None, *, faults: bool = False) -> list[AlarmEvent]:
        """Raises alarms in a storm, and returns them.

        Args:
            seed: Seed of the storm.
            safe: Contact whose receivers stay as they are.
            faults: Whether calls of SNS fail, too, and the notifier is restarted.
        """
        chance = random.Random(seed)  # noqa: S311 - a storm, no secret
        notifier = self.ward.start()
        self.work(notifier, 5)
        alarms = []
        for place in range(ALARMS):
            for _ in range(chance.randrange(4)):
                self.change(chance, safe)
            if faults and chance.random() < 0.3:
                self.bad.control(Trouble(fate=chance.choice(FATES), count=chance.randrange(1, 8)))
            if faults and chance.random() < 0.1:
                notifier = self.ward.start()
            alarms.append(make_event(f"p-{place}", start=self.ward.now))
            self.ward.alarm(alarms[-1])
            self.work(notifier, APART_S)
        self.work(notifier, (CHECK_MS + LOG_MS + WITHIN_MS) // 1000)
        return alarms

    def change(self, chance: random.Random, safe: str | None) -> None:
        name = chance.choice([who for who in ("nurse", "doctor", "charge") if who != safe])
        if name in PHONES and (name not in MAILS or chance.random() < 0.5):
            states, endpoint = PHONE_STATES, PHONES[name]
        else:
            states, endpoint = MAIL_STATES, MAILS[name]
        # An address that fails and works again between two checks is never known to have failed.
        if self.ward.now - self.changed.get(endpoint, 0) > CHECK_MS + LOG_MS:
            self.changed[endpoint] = self.ward.now
            self.bad.control(State(endpoint=endpoint, to=chance.choice(states)))  # type: ignore[arg-type] # its words

    def work(self, notifier: Notifier, seconds: int) -> None:
        for _ in range(seconds):
            notifier.step(0)
            until(self.at_rest, "nothing is under way", 30, 0.001)
            self.ward.now += 1_000

    def at_rest(self) -> bool:
        self.ward.pool.submit(int).result()
        reading = self.follow._reading
        return self.channels.checks.at_rest and (reading is None or reading.done())

    def reached(self) -> dict[str, int]:
        """Returns when a text with an alarm's number was first on a device."""
        found: dict[str, int] = {}
        for told in self.bad.reached():
            for word in told.text.split():
                found.setdefault(word.rstrip(":,"), told.t)
        return found

    def told(self, begin: int, end: int) -> bool:
        """Returns whether any *not notified* is active between two times."""
        active: dict[str, int] = {}
        for raised in self.ward.raised("not-notified"):
            if raised.phase is not Phase.END:
                active.setdefault(raised.subject, raised.log_t)
            elif (since := active.pop(raised.subject, None)) is not None and since <= end and raised.log_t >= begin:
                return True
        return any(since <= end for since in active.values())

    def late(self, alarms: list[AlarmEvent]) -> list[AlarmEvent]:
        """Returns the alarms that reached no device in time."""
        reached = self.reached()
        return [a for a in alarms if reached.get(number(a.id), 10**15) > a.start + CHECK_MS + WITHIN_MS]

    def unknown(self, alarms: list[AlarmEvent]) -> list[str]:
        """Returns the ids of those of which no *not notified* told in time."""
        return [a.id for a in self.late(alarms) if not self.told(a.start, a.start + CHECK_MS + WITHIN_MS)]


@contextmanager
def storm_of(station: Station) -> Iterator[Storm]:
    """Yields a storm over a station's notifier, with three contacts in as many steps."""
    groups = (delivery_log.DELIVERED, delivery_log.FAILED)
    with Sns(Options(confirmed=True, emails_per_s=0)) as bad, ThreadPoolExecutor(1) as pool:
        bad.service.clock = lambda: station.now
        made = ContactChannels(SnsChannel(bad.url, None), (), lambda: station.now, CHECK_MS)
        with closing(made) as channels:
            follow = DeliveryFollow(SmsDeliveryLog(groups, bad.url), pool, LOG_MS)
            station.sender, station.reach = channels, Reach(channels.checks, follow)
            station.duty(
                make_contact("nurse", phone=PHONES["nurse"], email=MAILS["nurse"], step=0),
                make_contact("doctor", phone=PHONES["doctor"], email=None, step=1),
                make_contact("charge", phone=None, email=MAILS["charge"], step=2),
            )
            yield Storm(station, bad, channels, follow)
