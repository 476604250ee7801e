"""`StatePort` on the Ray actors of `cloud watch`, by a separate process that may die without harm."""

import os
import selectors
import subprocess
import sys
import time
from collections import ChainMap
from typing import Final

import msgspec

from cloud.alarm.query import answers
from cloud.alarm.query.answers import PatientNow, ShardSnapshot
from cloud.console.live.alarm_state import AlarmStateSnapshot, StateDownError
from cloud.console.live.ray_client_process import Answer, Question, read, write

JOIN_WITHIN_S: Final = 60.0
ANSWER_WITHIN_S: Final = 4.0
AGAIN_S: Final = 2.0
REJOIN_S: Final = 10.0
"""A shard that died has recovered by then. If there is no answer for longer, another cluster has the same address."""


class RayState:
    """See `cloud.console.live.alarm_state.StatePort`. Used by one thread.

    Args:
        address: Ray's head, host:port.
        token: Secret of Ray's processes; None: the one in the user's home.
        shards: Number of actors.
        program: Module that queries Ray; tests replace it.
    """

    def __init__(
        self, address: str, token: str | None, shards: int, *, program: str = "cloud.console.live.ray_client_process"
    ) -> None:
        self._argv = (sys.executable, "-m", program, address, str(shards))
        self._env = {**os.environ, **({"RAY_AUTH_TOKEN": token} if token else {})}
        self._address = address
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._answered = 0.0
        self._waiting = False
        self._joined = False
        self._known: dict[int, ShardSnapshot] = {}
        self._patients: dict[int, dict[str, PatientNow]] = {}

    def fetch(self) -> AlarmStateSnapshot:
        """See `StatePort`."""
        try:
            answer = self._ask()
        except (OSError, msgspec.DecodeError) as error:
            self.close()
            raise StateDownError(f"the state tier at {self._address} is gone: {error}") from error
        if answer.error:
            if time.monotonic() - self._answered > REJOIN_S:
                self.close()
            raise StateDownError(f"the state tier at {self._address} does not answer: {answer.error}")
        self._answered, self._joined = time.monotonic(), True
        for data in answer.now:
            self._take(answers.decode_now(data))
        if any(now.catching_up for now in self._known.values()):
            raise StateDownError("the state tier has started and still replays its backlog")
        # A ChainMap: with many thousand patients a merged copy would cost more than all changes.
        patients = ChainMap(*self._patients.values())
        alarms = {event.id: event for now in self._known.values() for event in now.alarms}
        clock = max((now.clock for now in self._known.values()), default=0)
        standbys = {one.patient: one for now in self._known.values() for one in now.standbys}
        return AlarmStateSnapshot(patients, tuple(alarms.values()), clock, standbys)

    def close(self) -> None:
        """See `StatePort`."""
        process, self._process = self._process, None
        self._known, self._patients, self._waiting, self._joined = {}, {}, False, False
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.kill()
            process.wait()

    def _take(self, now: ShardSnapshot) -> None:
        before = self._known.get(now.shard)
        if before is None or before.epoch != now.epoch:
            self._patients[now.shard] = {}
        self._patients[now.shard].update((one.patient, one) for one in now.patients)
        self._known[now.shard] = now

    def _ask(self) -> Answer:
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - asked for as pipes
        assert process.stdout is not None  # noqa: S101 - see above
        if not self._waiting:
            known = tuple((self._known[n].epoch, self._known[n].revision) for n in sorted(self._known))
            write(process.stdin, Question(known))  # type: ignore[arg-type] # a pipe in bytes
            self._waiting = True
            self._asked = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            ready = selector.select(ANSWER_WITHIN_S)
        if not ready:
            # Joining Ray needs many seconds; a pending query is awaited, never repeated.
            if time.monotonic() - self._asked > (REJOIN_S if self._joined else JOIN_WITHIN_S):
                raise OSError("no answer")
            raise StateDownError(f"the state tier at {self._address} has not answered yet")
        self._waiting = False
        data = read(process.stdout)  # type: ignore[arg-type] # a pipe in bytes
        if data is None:
            raise OSError("the connection ended")
        return msgspec.msgpack.decode(data, type=Answer)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            if time.monotonic() - self._began < AGAIN_S:
                raise StateDownError(f"the state tier at {self._address} is not there; trying again")
            self._began = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603 - this module's own words
                self._argv, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        return self._process
