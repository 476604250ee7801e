"""The same work in Bytewax: `vitals.scored` from Kafka, the same engine on state keyed by partition, alarms to Kafka.

Run by `tests/peers/peers_state.py` in an environment of its own, as `python -m bytewax.run`. It reads every partition
from its beginning to its end and stops. It keeps no snapshots, so it has less to do than the state tier.
"""

import os
from typing import Final

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow

from vitals import engine
from vitals.alarm_events import encode
from vitals.wire import topics
from vitals.wire.vitals_record import decode_scored

BOOTSTRAP: Final = os.environ["KAFKA_BOOTSTRAP"]
SINK: Final = os.environ["PEER_TOPIC"]


def judge(
    state: engine.State | None, message: KafkaSourceMessage[bytes, bytes]
) -> tuple[engine.State, list[tuple[bytes, bytes]]]:
    """Judges one record with the shared engine."""
    scored = decode_scored(message.value)
    state, events = engine.advance(state or engine.empty(), scored.readings, scored.timestamp)
    return state, [((event.patient or event.subject).encode(), encode(event)) for event in events]


def build() -> Dataflow:
    """Returns the flow."""
    made = Dataflow("wardwatch_peer")
    source = KafkaSource([BOOTSTRAP], [topics.SCORED], tail=False, batch_size=2000)
    records = op.input("scored", made, source)
    good = op.filter("read", records, lambda message: isinstance(message, KafkaSourceMessage))
    keyed = op.key_on("partition", good, lambda message: str(message.partition))
    judged = op.stateful_map("judge", keyed, judge)
    events = op.flat_map("events", judged, lambda pair: pair[1])
    kop.output("alarms", op.map("message", events, lambda e: KafkaSinkMessage(*e)), brokers=[BOOTSTRAP], topic=SINK)
    return made


flow = build()
