"""From gateways to the log: messages in, records out, acknowledged and confirmed once the log holds them.

One thread owns an `Upward` and gives it what happens (`arrived`, `reported`, `work`), with the time: `at` is monotonic,
in seconds, for intervals; `t` is UTC epoch ms, for what is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from bridge import coalesce, intake, outgoing
from bridge.log import Log, Record, Report
from bridge.meters import Meters
from bridge.presence import Presence
from bridge.settings import Settings
from bridge.shipping import Shipping
from bridge.tracker import InOrder, Turns
from bridge.uplink import Message, Receipt, Uplink
from vitals import topics
from vitals.batches import Confirmed, ranges
from vitals.readings import Readings
from vitals.records import MAX_READINGS
from vitals.status import Health, Status

HEARTBEAT_S: Final = 1.0


@dataclass(slots=True)
class _Open:
    """A message not done with: where it came from, when, and what to confirm. Its bytes go once they are read."""

    topic: str
    payload: bytes
    at: float
    source: intake.Source | None
    number: intake.Number | None = None


class Upward:
    """The bridge's way up.

    Args:
        settings: Settings.
        log: Where records go.
        uplink: Where messages come from, acknowledgements and confirmations go.
        meters: Metrics.
    """

    def __init__(self, settings: Settings, log: Log, uplink: Uplink, meters: Meters) -> None:
        self._settings, self._uplink, self._meters = settings, uplink, meters
        self._slots = frozenset(settings.bridge_slots)
        self._shipping = Shipping(log, meters)
        self._presence = Presence(settings.status_timeout_s)
        self._linger = coalesce.Linger(settings.linger_ms / 1000)
        self._turns: Turns[int] = Turns(settings.gateway_window)
        self._acks: InOrder[Receipt] = InOrder()
        self._open: dict[int, _Open] = {}
        self._arrivals = 0
        self._gathered: list[tuple[int, Readings]] = []
        self._gathered_readings = 0
        self._refused: list[tuple[Record, tuple[int, ...]]] = []
        self._confirm: dict[tuple[str, str], list[int]] = {}
        self._heartbeats: dict[int, int] = {}
        self._heartbeat_at = self._status_at = -float("inf")
        self._connected = False
        self._deaf_since: float | None = None

    @property
    def stalled(self) -> bool:
        """Whether the log takes nothing, so that nothing is taken from the broker either."""
        return self._shipping.full

    @property
    def waiting(self) -> int:
        """Messages that are not done with; 0 when all is stored and acknowledged."""
        return len(self._open)

    def oldest_s(self, at: float) -> float:
        """Returns for how long the oldest of these has waited, s; 0 when there is none."""
        oldest = next(iter(self._open.values()), None)
        return at - oldest.at if oldest else 0.0

    def arrived(self, message: Message, at: float) -> None:
        """Takes a message from the broker. It is read when its gateway's turn comes and the log has room."""
        self._arrivals += 1
        source = intake.source(message.topic)
        # Only QoS 1 is held back by the broker while we do not acknowledge; QoS 0 must find room within the same bound.
        room = message.receipt is not None or len(self._open) < self._settings.receive_maximum
        if message.receipt:
            self._acks.arrived(self._arrivals, message.receipt)
        self._open[self._arrivals] = _Open(message.topic, message.payload, at, source)
        if source and source.slot not in self._slots:
            # A kept session remembers an earlier share of slots; the bridge that has them now confirms.
            self._done(self._arrivals, at)
        elif not (room and self._turns.put(source.gateway if source else "", self._arrivals)):
            self._meters.shed.inc()
            self._done(self._arrivals, at)

    def connected(self, is_connected: bool) -> None:
        """Takes note of whether the broker is connected.

        What was not read from a connection that is gone is forgotten: the broker or the gateway sends it again, and
        keeping both would let memory grow with every reconnection.
        """
        self._connected = is_connected
        if not is_connected:
            self._acks.clear()
            for arrival in self._turns.clear():
                del self._open[arrival]

    def expect(self, gateways: Iterable[str], at: float) -> None:
        """Takes note of gateways that ought to be there."""
        for gateway in gateways:
            self._presence.expect(gateway, at)

    def reported(self, reports: Iterable[Report], at: float) -> None:
        """Takes the log's reports: what is stored is acknowledged and confirmed."""
        for arrival in self._shipping.reported(reports, at):
            self._done(arrival, at)

    def work(self, at: float, t: int) -> float:
        """Does all there is to do now; returns how long the next thing can wait, s, unless something happens."""
        self._shipping.push(at)
        self._presence.listening(self._connected and not self._shipping.full, at)
        if not self._shipping.full:
            self._speak(at, t)
        while not self._shipping.full:
            while not self._enough and (arrival := self._turns.take()) is not None:
                self._read(arrival, at, t)
            if self._linger.wait_s(self._load, at) > 0:
                break
            self._write(at, t)
        self._publish_confirmed()
        self._meters.waiting.set(len(self._turns))
        self._meters.in_flight.set(self._shipping.batches)
        self._meters.stalled.set(self._shipping.full)
        due = min(self._heartbeat_at + HEARTBEAT_S, self._status_at + self._settings.status_every_s) - at
        if self._shipping.full:
            return self._shipping.wait_s(at)
        return max(0.0, min(due, self._linger.wait_s(self._load, at)))

    @property
    def _enough(self) -> bool:
        return self._load >= MAX_READINGS or self._shipping.full

    @property
    def _load(self) -> int:
        return self._gathered_readings + len(self._refused)

    def _read(self, arrival: int, at: float, t: int) -> None:
        entry = self._open[arrival]
        source, topic, payload = entry.source, entry.topic, entry.payload
        entry.payload = b""
        refusals: Iterable[intake.Refusal] = ()
        if source is None or source.name not in topics.UP:
            refusals = (intake.Refusal(intake.Why.TOPIC, "not the topic of a gateway in its slot", payload),)
        elif source.name == "vitals":
            taken = intake.take(source.gateway, payload)
            entry.number, refusals = taken.number, taken.refusals
            self._gather(arrival, taken.readings)
            if not len(taken.readings) and not refusals:
                self._done(arrival, at)
        else:
            status = intake.take_status(source.gateway, payload)
            if isinstance(status, intake.Refusal):
                refusals = (status,)
            else:
                self._pass_on(arrival, self._presence.heard(status, at, t), at)
        for refusal in refusals:
            self._refuse(arrival, refusal, topic, source.gateway if source else "", t)

    def _gather(self, arrival: int, readings: Readings) -> None:
        self._meters.batches_in.inc()
        self._meters.readings_in.inc(len(readings))
        if len(readings):
            self._gathered.append((arrival, readings))
            self._gathered_readings += len(readings)

    def _pass_on(self, arrival: int, status: Status, at: float) -> None:
        self._meters.statuses_in.inc()
        self._meters.gateways.set(len(self._presence))
        self._shipping.ship([(outgoing.status(status), (arrival,))], at)

    def _refuse(self, arrival: int, refusal: intake.Refusal, topic: str, gateway: str, t: int) -> None:
        self._meters.rejected.labels(refusal.why.value).inc(max(1, refusal.readings))
        self._refused.append((outgoing.rejected(topic, gateway, refusal, t), (arrival,)))

    def _write(self, at: float, t: int) -> None:
        """Ships what is gathered: a batch's readings and its refusals together, as it is done when all are stored."""
        gathered, self._gathered, self._gathered_readings = self._gathered, [], 0
        records = []
        for load in coalesce.loads(gathered, self._settings.lanes) if gathered else ():
            if isinstance(load, coalesce.Load):
                records.append((outgoing.load(load, self._settings.partitions), load.batches))
            else:
                topic = self._open[load.batch].topic
                self._refuse(load.batch, outgoing.too_large(load), topic, load.gateway, t)
        refused, self._refused = self._refused, []
        self._linger.written(at)
        self._shipping.ship([*records, *refused], at)

    def _speak(self, at: float, t: int) -> None:
        """Writes what the bridge itself has to say: heartbeats, its status, gateways that fell silent."""
        if at >= self._heartbeat_at + HEARTBEAT_S:
            self._heartbeat_at = at
            for lane in range(self._settings.lanes):
                # One at a time: heartbeats that queue behind a slow log would tell of times long past.
                if not self._shipping.holds(self._heartbeats.get(lane, 0)):
                    beat = outgoing.heartbeat(lane, self._settings.partitions)
                    (self._heartbeats[lane],) = self._shipping.ship([(beat, ())], at)
        for silent in self._presence.silent(at, t):
            self._shipping.ship([(outgoing.status(silent), ())], at)
        if at >= self._status_at + self._settings.status_every_s:
            self._status_at = at
            self._shipping.ship([(outgoing.status(self._status(self._judge(at), t)), ())], at)

    def _judge(self, at: float) -> Health:
        """Up while it hears its gateways; a start, or a broker that is back at once, is no silence yet."""
        if self._connected:
            self._deaf_since = None
            return Health.UP
        self._deaf_since = at if self._deaf_since is None else self._deaf_since
        return Health.SILENT if at - self._deaf_since >= self._settings.status_timeout_s else Health.UP

    def _status(self, health: Health, t: int) -> Status:
        name, mine = self._settings.bridge, self._presence.gateways()
        return Status(id=name, kind="bridge", health=health, t=t, backlog=len(self._open), devices=mine)

    def close(self, at: float, t: int) -> None:
        """Says goodbye, so that nobody waits for a bridge that was stopped on purpose."""
        if not self._shipping.full:
            self._shipping.ship([(outgoing.status(self._status(Health.OFFLINE, t)), ())], at)

    def _done(self, arrival: int, at: float) -> None:
        entry = self._open.pop(arrival)
        if entry.number and entry.source:
            self._confirm.setdefault((entry.source.gateway, entry.number.outbox), []).append(entry.number.n)
            self._meters.confirm_s.observe(at - entry.at)
            self._meters.batches_confirmed.inc()
        for receipt in self._acks.done(arrival):
            self._uplink.ack(receipt)

    def _publish_confirmed(self) -> None:
        for (gateway, outbox), numbers in self._confirm.items():
            confirmed = msgspec.json.encode(Confirmed(outbox, ranges(numbers)))
            # QoS 0: a confirmation that is lost costs one more sending of its batches, and no acknowledgement each.
            self._uplink.publish(topics.gateway_topic(gateway, "confirmed"), confirmed)
        self._confirm.clear()
