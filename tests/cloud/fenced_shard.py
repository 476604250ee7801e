"""A shard's loop as a process of its own, without Ray: for tests that stop, continue and kill it.

Arguments: bootstrap, folder of snapshots. It prints `live` once it judges what comes, and ends with 3 when a newer one
has taken its place.
"""

import sys
from pathlib import Path

from cloud.alarm.shard import Shard, share
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.snapshot.store import FolderSnapshots
from cloud.kafka.client import KafkaReader
from cloud.kafka.transactional import FencedError, TransactionalWriter
from cloud.settings import Kafka

if __name__ == "__main__":
    settings = Kafka(kafka_bootstrap=sys.argv[1])
    shard = Shard(settings.layout, share(settings.layout, 0, 1), equipment=True)
    writer = TransactionalWriter(settings, "fenced-shard")
    loop = ShardRunner(shard, KafkaReader(settings, "fenced-shard"), writer, FolderSnapshots(Path(sys.argv[2])))
    loop.start()
    told = False
    try:
        while True:
            loop.step(0.05)
            if not told and not loop.catching_up:
                told = True
                sys.stdout.write("live\n")
                sys.stdout.flush()
    except FencedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)
