"""Random scripts for servers with TTL znodes and enforced quotas: the same clients, and somebody who sets quotas.

What is never sent, because it ends Apache's process: stats that are no numbers, and a quota on the root.
Apache judges what is pipelined by whatever is applied when its turn comes, so nothing is here.
"""

from __future__ import annotations

from random import Random

from ensemble.jute import BOOL, pack_int, pack_string
from ensemble.tree.operations import OPEN_ACL, Op
from tests.differential.scripts import CLIENTS, STEPS_MAX, STEPS_MIN, Author, Maker
from tests.differential.steps import BASE, FIXED_STEPS, Ask, Connect, How, Request, Step

QUOTA = "/zookeeper/quota"


def make(seed: int) -> list[Step]:
    """Return the script of ``seed``; its first two steps are those of any other."""
    return QuotaAuthor(Random(seed)).script()


class QuotaAuthor(Author):
    """Invents one script with quotas."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._quotas = [BASE]

    def script(self) -> list[Step]:
        """Begin as any script, then with every client connected and, often, a quota on all there is."""
        start, random = super().script()[:FIXED_STEPS], self._random
        self._known, self._quotas = [BASE], [BASE]
        everybody: list[Step] = [Connect(client, How.NEW) for client in range(1, CLIENTS)]
        first: list[Step] = [self._several(0)] if random.random() < 0.7 else []
        count = random.randint(STEPS_MIN, STEPS_MAX)
        return [*start, *everybody, *first, *[self._step(random.randrange(CLIENTS)) for _ in range(count)]]

    def _step(self, client: int) -> Step:
        self._client = client
        dice = self._random.random()
        if dice < 0.1:
            return self._several(client)
        return Ask(client, (self._any(),)) if dice < 0.9 else super()._step(client)

    def _weighted(self) -> list[tuple[int, Maker]]:
        return [
            *super()._weighted(),
            (14, self._read_figures),
            (6, self._set_figures),
            (3, self._delete_figures),
            (3, self._create_figures),
        ]

    def _several(self, client: int) -> Ask:
        """Set a quota, as Apache's shell does it, where it would pipeline."""
        real = self._random.choice(self._known) if self._random.random() < 0.8 else self._fresh()
        self._quotas.append(real)
        names = real[1:].split("/")
        parents = [f"{QUOTA}/{'/'.join(names[: size + 1])}" for size in range(len(names))]
        requests = [self._create_at(path, b"") for path in parents]
        requests.append(self._create_at(f"{QUOTA}{real}/zookeeper_limits", self._limits()))
        requests.append(self._create_at(f"{QUOTA}{real}/zookeeper_stats", b"count=0,bytes=0"))
        return Ask(client, tuple(requests))

    def _limits(self) -> bytes:
        choose = self._random.choice
        text = f"count={choose((-1, 0, 2, 3, 5, 9))},bytes={choose((-1, 0, 5, 20, 60))}"
        hard = [
            *([f"byteHardLimit={choose((-1, 0, 5, 20, 60))}"] if self._random.random() < 0.5 else []),
            *([f"countHardLimit={choose((-1, 0, 2, 3, 5, 9))}"] if self._random.random() < 0.6 else []),
        ]
        return (text + "".join(["=", *[f";{each}" for each in hard]] if hard else [])).encode()

    def _figures(self) -> tuple[str, bytes]:
        """Return the path of limits or stats, and a text for them."""
        real, random = self._random.choice(self._quotas), self._random
        if random.random() < 0.5:
            limits = random.choice((b"garbage", b"count=x")) if random.random() < 0.1 else self._limits()
            return f"{QUOTA}{real}/zookeeper_limits", limits
        text = random.choice((b"count=3,bytes=4", b"count=-1,bytes=-1", b"bytes=7=;other=8;also=9", b""))
        return f"{QUOTA}{real}/zookeeper_stats", text

    def _create_at(self, path: str, data: bytes, mode: int = 0) -> Request:
        record = self._create_record(path, data, OPEN_ACL, mode)
        return self._request(Op.CREATE2, record, f"CREATE2 {path!r} {data!r} open mode {mode}", path)

    def _create_figures(self) -> Request:
        return self._create_at(*self._figures(), mode=self._random.choice((0, 0, 1)))

    def _set_figures(self) -> Request:
        path, data = self._figures()
        record = pack_string(path) + pack_int(len(data)) + data + pack_int(-1)
        return self._request(Op.SET_DATA, record, f"SET_DATA {path!r} {data!r} -1", path)

    def _delete_figures(self) -> Request:
        path, _ = self._figures()
        return self._request(Op.DELETE, pack_string(path) + pack_int(-1), f"DELETE {path!r} -1", path)

    def _read_figures(self) -> Request:
        path, _ = self._figures()
        op = self._random.choice((Op.GET_DATA, Op.GET_DATA, Op.GET_DATA, Op.EXISTS))
        watch = self._random.random() < 0.2
        record = pack_string(path) + BOOL.pack(watch)
        return self._request(op, record, f"{op.name} {path!r}{' watch' if watch else ''}", path)
