"""Clients that follow ZooKeeper's recipes: a lock that guards a znode, a queue, a counter.

Each is a machine of states over one simulated client. What a client cannot know it finds out, as the recipes say:
whether its create came through it sees from the children, whose names tell who made them. A holder whose session
ended goes on for a moment, as a process does that was asleep, with a new session; the znode of the lock that its
writes check is what stops it. What must come of all this is in ``exclusion``.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ensemble.errors import Code
from ensemble.simulator.clients.history import Answer, Call
from ensemble.tree.operations import (
    OPEN_ACL,
    Check,
    Create,
    CreateMode,
    Delete,
    Multi,
    Op,
    Operation,
    Read,
    SetData,
)

LOCK, GUARDED, QUEUE, COUNTER = "/lock", "/guarded", "/queue", "/counter"
_EVERYTHING = (LOCK, GUARDED, QUEUE, COUNTER)
NUMBER_DIGITS = 10
"""At the end of a sequential znode's name."""

Request = tuple[int, Operation]


class Recipes:
    """What one client asks for (see ``workload.Workload``): one recipe after the other."""

    def __init__(self, client: int, rng: Random) -> None:
        self._client = client
        self._rng = rng
        self._state: Callable[[], Request | None] = self._prepare
        self._heed: Callable[[Answer], None] = lambda answer: None
        self._missing = list(_EVERYTHING)
        self._attempts = 0
        self._name = ""
        self._mine = ""
        """The znode of the lock that is held, or waited for."""
        self._czxid = 0
        """Its czxid, which fences: who holds the lock later has a greater one."""
        self._writes = 0
        self._before = ""
        """The znode that stands before it in the line."""

    def next(self) -> Request | None:
        """Return the next request; None while there is only to wait."""
        return self._state()

    def learn(self, call: Call) -> None:
        """Take in a reply."""
        assert call.answer is not None
        self._heed(call.answer)

    def heard(self, path: str) -> None:
        """Be told that something happened to a znode that is watched."""
        if path == self._before:
            self._before = ""
            self._state = self._look

    def attached(self, *, resumed: bool) -> None:
        """Be connected again. What was asked has an unknown outcome; without ``resumed`` the session is another."""
        if not resumed and self._state not in (self._prepare, self._write):
            self._state = self._choose

    # -- which recipe ----------------------------------------------------------------------------------------

    def _prepare(self) -> Request | None:
        path = self._missing[0]

        def heed(answer: Answer) -> None:
            if answer.error in (0, Code.NODE_EXISTS) and self._missing[:1] == [path]:
                self._missing.pop(0)
            if not self._missing:
                self._state = self._choose

        self._heed = heed
        return Op.CREATE, Create(path, b"0", OPEN_ACL, CreateMode.PERSISTENT)

    def _choose(self) -> Request | None:
        recipe = self._rng.choices(
            (self._enter, self._put, self._list_queue, self._read_counter), (4, 1, 1, 2)
        )
        return recipe[0]()

    def _done(self, answer: Answer | None = None) -> None:
        self._state = self._choose

    # -- the lock --------------------------------------------------------------------------------------------

    def _enter(self) -> Request | None:
        self._attempts += 1
        self._name = f"{self._client}.{self._attempts}-"
        self._state = self._look  # also when no answer comes

        def heed(answer: Answer) -> None:
            if answer.error:
                self._done()

        self._heed = heed
        mode = CreateMode.EPHEMERAL_SEQUENTIAL
        return Op.CREATE2, Create(f"{LOCK}/{self._name}", b"", OPEN_ACL, mode)

    def _look(self) -> Request | None:
        self._heed = self._see_line
        return Op.GET_CHILDREN, Read(LOCK)

    def _see_line(self, answer: Answer) -> None:
        line = sorted(answer.children or [], key=lambda name: name[-NUMBER_DIGITS:])
        place = next((place for place, name in enumerate(line) if name.startswith(self._name)), None)
        if place is None:
            self._done()
            return
        self._mine = f"{LOCK}/{line[place]}"
        if place:
            self._before = f"{LOCK}/{line[place - 1]}"
            self._state = self._watch_before
        else:
            self._state = self._take

    def _watch_before(self) -> Request | None:
        def heed(answer: Answer) -> None:
            self._state = self._look if answer.error else self._wait

        self._heed = heed
        return Op.EXISTS, Read(self._before, watch=True)

    def _wait(self) -> Request | None:
        return None

    def _take(self) -> Request | None:
        def heed(answer: Answer) -> None:
            if answer.stat is None:
                self._done()
                return
            self._czxid, self._writes = answer.stat[0], self._rng.randint(1, 4)
            self._state = self._write

        self._heed = heed
        return Op.EXISTS, Read(self._mine)

    def _write(self) -> Request | None:
        def heed(answer: Answer) -> None:
            self._writes -= 1
            if answer.error or any(part.error for part in answer.results or []):
                self._done()  # not the holder any more
            elif not self._writes:
                self._state = self._leave

        self._heed = heed
        return guarded_write(self._mine, self._czxid)

    def _leave(self) -> Request | None:
        self._heed = self._done
        return Op.DELETE, Delete(self._mine, -1)

    # -- the queue and the counter ---------------------------------------------------------------------------

    def _put(self) -> Request | None:
        self._attempts += 1
        self._heed = self._done
        data = f"{self._client}.{self._attempts}".encode()
        return Op.CREATE, Create(f"{QUEUE}/item-", data, OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL)

    def _list_queue(self) -> Request | None:
        def heed(answer: Answer) -> None:
            if answer.children:
                first = min(answer.children)
                self._state = lambda: self._take_item(f"{QUEUE}/{first}")

        self._heed = heed
        return Op.GET_CHILDREN, Read(QUEUE)

    def _take_item(self, path: str) -> Request | None:
        self._state, self._heed = self._choose, self._done
        return Op.DELETE, Delete(path, -1)

    def _read_counter(self) -> Request | None:
        def heed(answer: Answer) -> None:
            if answer.stat is not None:
                value, version = int(answer.data or b"0"), answer.stat[4]
                self._state = lambda: self._count(value + 1, version)

        self._heed = heed
        return Op.GET_DATA, Read(COUNTER)

    def _count(self, value: int, version: int) -> Request | None:
        self._state, self._heed = self._choose, self._done
        return increment(value, version)


def guarded_write(holder: str, czxid: int) -> Request:
    """Write what the lock guards, if the holder's znode is still there."""
    write = SetData(GUARDED, f"{czxid} {holder}".encode(), -1)
    return Op.MULTI, Multi([(Op.CHECK, Check(holder, -1)), (Op.SET_DATA, write)])


def increment(value: int, version: int) -> Request:
    """Set the counter, if nobody has since it was read."""
    return Op.SET_DATA, SetData(COUNTER, b"%d" % value, version)
