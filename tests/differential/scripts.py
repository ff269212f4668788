"""Random scripts: what a few clients send to one server, good and bad, in a fixed order.

A script is made from its seed alone. Names are few, so that clients meet.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from zlib import crc32

from ensemble.jute import BOOL, pack_bytes, pack_int, pack_long, pack_string, pack_strings
from ensemble.tree.operations import OPEN_ACL, Acl, Op
from ensemble.wire.records import MULTI_END, MULTI_HEADER, pack_acl
from tests.differential.steps import (
    AUTH_XID,
    BASE,
    PING_XID,
    SET_WATCHES_XID,
    SPECIAL,
    Ask,
    Connect,
    HangUp,
    How,
    Kind,
    Raw,
    Request,
    Step,
)
from tests.differential.values import (
    BAD_ACLS,
    BAD_PATHS,
    DATA,
    GOOD_ACLS,
    MODES,
    ODD_MODES,
    ODD_OPS,
    USERS,
    VERSIONS,
)

CLIENTS = 3
STEPS_MIN, STEPS_MAX = 15, 45
NAMES = ("a", "b", "c")


def make(seed: int) -> list[Step]:
    """Return the script of ``seed``. The first two steps, a client and its ``BASE``, are never to be left out."""
    return Author(Random(seed)).script()


Maker = Callable[[], Request]


class Author:
    """Invents one script."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._known = [BASE]
        self._client = 0
        self._makers = [maker for weight, maker in self._weighted() for _ in range(weight)]

    def _weighted(self) -> list[tuple[int, Maker]]:
        """Return what may be asked, and how often."""
        return [
            (22, self._create),
            (9, self._delete),
            (7, self._set_data),
            (6, self._get_data),
            (7, self._exists),
            (4, self._get_children),
            (4, self._get_children2),
            (3, self._get_acl),
            (5, self._set_acl),
            (2, self._sync),
            (12, self._multi),
            (5, self._multi_read),
            (2, self._get_ephemerals),
            (2, self._count),
            (5, self._add_watch),
            (3, self._remove_watches),
            (3, self._check_watches),
            (3, self._set_watches),
            (2, self._who_am_i),
            (1, self._ping),
            (1, self._reconfig),
        ]

    def script(self) -> list[Step]:
        base = self._request(Op.CREATE, self._create_record(BASE, b"", OPEN_ACL, 0), "create BASE", BASE)
        steps: list[Step] = [Connect(0, How.NEW), Ask(0, (base,))]
        random = self._random
        steps += [
            Connect(client, How.NEW, read_only=random.choice((None, False, True)))
            for client in range(1, random.randint(1, CLIENTS))
        ]
        count = random.randint(STEPS_MIN, STEPS_MAX)
        return steps + [self._step(random.randrange(CLIENTS)) for _ in range(count)]

    # ------------------------------------------------------------------ steps

    def _step(self, client: int) -> Step:
        self._client = client
        dice = self._random.random()
        if dice < 0.07:
            return self._connect(client)
        if dice < 0.09:
            return HangUp(client)
        if dice < 0.11:
            return Ask(client, (self._close_session(),))
        if dice < 0.17:
            return Ask(client, (self._auth(),))
        if dice < 0.19:
            return Ask(client, (self._odd(),))
        if dice < 0.195:
            return self._raw(client)
        if dice < 0.25:
            return Ask(client, (self._damaged(self._any()),))
        if dice < 0.33:
            return self._several(client)
        return Ask(client, (self._any(),))

    def _several(self, client: int) -> Ask:
        requests = [self._any() for _ in range(self._random.randint(2, 6))]
        last = [request for request in requests if _is_last(request)][:1]
        return Ask(client, tuple([request for request in requests if not _is_last(request)] + last))

    def _connect(self, client: int) -> Connect:
        choose = self._random.choice
        how = choose((How.NEW, How.NEW, How.RESUME, How.RESUME, How.RESUME, *How))
        timeout_ms = choose((30_000, 30_000, 12_345, 1, 0, -5, 10**9))
        return Connect(client, how, timeout_ms if how is not How.NEW else 30_000, choose((None, False, True)))

    def _raw(self, client: int) -> Raw:
        bad = (
            b"\xff\xff\xff\xff",
            b"\x7f\xff\xff\xff",
            pack_int(4) + bytes(4),
            pack_int(0),
            pack_int(7) + bytes(7),
        )
        return Raw(client, self._random.choice(bad))

    def _damaged(self, request: Request) -> Request:
        """Cut a request short, make it longer, or change a byte of it."""
        record, random = request.record, self._random
        kind = random.choice(("cut", "cut", "longer", "none", "byte"))
        if kind == "cut":
            record = record[: random.randrange(len(record) + 1)]
        elif kind == "longer":
            record += random.choice((b"\0", b"\0\0\0\0", b"rest"))
        elif kind == "none":
            record = b""
        elif record and not any(word in request.text.upper() for word in ("CREATE_TTL", "WATCH", "QUOTA/")):
            # Such a byte may end Apache's process (see _create, quota_scripts), or make a watch of another kind.
            at = random.randrange(len(record))
            value = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            record = record[:at] + bytes([value]) + record[at + 1 :]
        return request._replace(record=record, text=f"{kind}: {request.text}", zxid_first=False)

    # ------------------------------------------------------------------ parts

    def _any(self) -> Request:
        return self._random.choice(self._makers)()

    def _path(self) -> str | None:
        random = self._random
        dice = random.random()
        if dice < 0.65:
            return random.choice(self._known)
        if dice < 0.93:
            return self._fresh()
        return random.choice(SPECIAL) if dice < 0.97 else random.choice(BAD_PATHS)

    def _fresh(self) -> str:
        random = self._random
        parent = random.choice(self._known)
        if parent.count("/") > 3:
            parent = BASE
        name = random.choice(NAMES)
        return f"{parent}/{name}" + (f"{random.randrange(3):010d}" if random.random() < 0.1 else "")

    def _acl(self) -> tuple[Acl, ...] | None:
        dice = self._random.random()
        if dice < 0.8:
            return OPEN_ACL
        if dice < 0.93:
            return self._random.choice(GOOD_ACLS)
        return self._random.choice((*BAD_ACLS, None))

    @staticmethod
    def _request(
        op: int,
        record: bytes,
        text: str,
        path: str | None = None,
        *,
        xid: int | None = None,
        zxid_first: bool = False,
    ) -> Request:
        return Request(int(op), record, text, path, xid, zxid_first)

    @staticmethod
    def _create_record(path: str | None, data: bytes | None, acl: tuple[Acl, ...] | None, mode: int) -> bytes:
        list_ = pack_int(-1) if acl is None else pack_acl(acl)
        return pack_string(path) + pack_bytes(data) + list_ + pack_int(mode)

    # ------------------------------------------------------------------ writes

    def _create(self) -> Request:
        random = self._random
        op = random.choice((Op.CREATE, Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER, Op.CREATE_TTL))
        mode = {Op.CREATE_CONTAINER: 4, Op.CREATE_TTL: 5}.get(op, random.choice(MODES))
        if random.random() < 0.08:
            mode = random.choice((*MODES, *ODD_MODES))
        path = self._fresh() if random.random() < 0.75 else self._path()
        if path in SPECIAL and mode in (2, 3):  # it would be numbered by what other scripts did
            path = BASE
        acl, data = self._acl(), random.choice(DATA)
        record = self._create_record(path, data, acl, mode)
        ttl = ""
        if op == Op.CREATE_TTL:
            # Apache's server ends itself over a negative time to live with a mode that has none.
            ttl_ms = random.choice(
                (1000, 1000, 1000, 1, 2**40 - 1, 0, 2**40, 2**50, *((-1, -7) if mode in (5, 6) else ()))
            )
            record += pack_long(ttl_ms)
            ttl = f" ttl {ttl_ms}"
        if path and path.startswith(BASE) and acl == OPEN_ACL and mode in (0, 1, 4, 5):
            self._known.append(path)
        return self._request(op, record, f"{op.name} {path!r} {data!r} {_text(acl)} mode {mode}{ttl}", path)

    def _delete(self) -> Request:
        path, version = self._path(), self._random.choice(VERSIONS)
        return self._request(
            Op.DELETE, pack_string(path) + pack_int(version), f"DELETE {path!r} {version}", path
        )

    def _set_data(self) -> Request:
        path, version = self._path(), self._random.choice(VERSIONS)
        if path in SPECIAL:  # to be refused: it would last beyond the script
            version = 777
        data = self._random.choice(DATA)
        record = pack_string(path) + pack_bytes(data) + pack_int(version)
        return self._request(Op.SET_DATA, record, f"SET_DATA {path!r} {data!r} {version}", path)

    def _set_acl(self) -> Request:
        random = self._random
        path, version = self._path(), random.choice(VERSIONS)
        if path in SPECIAL:  # it would last beyond the script
            path = BASE
        acl = random.choice((OPEN_ACL, OPEN_ACL, *GOOD_ACLS, *GOOD_ACLS, *BAD_ACLS))
        record = pack_string(path) + pack_acl(acl) + pack_int(version)
        return self._request(Op.SET_ACL, record, f"SET_ACL {path!r} {_text(acl)} {version}", path)

    def _check(self) -> Request:
        path, version = self._path(), self._random.choice(VERSIONS)
        return self._request(
            Op.CHECK, pack_string(path) + pack_int(version), f"CHECK {path!r} {version}", path
        )

    def _multi(self) -> Request:
        random = self._random
        makers = (self._create, self._create, self._create, self._delete, self._set_data, self._check)
        parts = [random.choice(makers)() for _ in range(random.choice((0, 1, 1, 2, 2, 3, 4, 6)))]
        if random.random() < 0.06:
            parts.insert(
                random.randint(0, len(parts)),
                random.choice((self._get_data, self._set_acl, self._multi_read))(),
            )
        return self._composed(Op.MULTI, parts)

    def _composed(self, op: Op, parts: list[Request]) -> Request:
        ops = b"".join([MULTI_HEADER.pack(part.op, False, -1) + part.record for part in parts])
        text = "; ".join([part.text for part in parts])
        return self._request(op, ops + MULTI_END, f"{op.name} [{text}]")

    # ------------------------------------------------------------------ reads

    def _read(self, op: Op) -> Request:
        path = self._path()
        watch = self._random.random() < 0.5 and self._kind_of(path) is Kind.ORDINARY
        record = pack_string(path) + BOOL.pack(watch)
        return self._request(op, record, f"{op.name} {path!r}{' watch' if watch else ''}", path)

    def _get_data(self) -> Request:
        return self._read(Op.GET_DATA)

    def _exists(self) -> Request:
        return self._read(Op.EXISTS)

    def _get_children(self) -> Request:
        return self._read(Op.GET_CHILDREN)

    def _get_children2(self) -> Request:
        return self._read(Op.GET_CHILDREN2)

    def _of_path(self, op: Op, path: str | None) -> Request:
        return self._request(op, pack_string(path), f"{op.name} {path!r}", path)

    def _get_acl(self) -> Request:
        return self._of_path(Op.GET_ACL, self._path())

    def _sync(self) -> Request:
        return self._of_path(Op.SYNC, self._path())

    def _get_ephemerals(self) -> Request:
        return self._of_path(
            Op.GET_EPHEMERALS, self._random.choice((BASE, "/", f"{BASE}/a", "", None, "/no", " / ", " "))
        )

    def _count(self) -> Request:
        path = self._path()
        return self._of_path(Op.GET_ALL_CHILDREN_NUMBER, BASE if path in SPECIAL else path)

    def _multi_read(self) -> Request:
        random = self._random
        makers = [self._get_data, self._get_children]
        if random.random() < 0.06:
            makers += [self._exists, self._check, self._delete]
        return self._composed(Op.MULTI_READ, [random.choice(makers)() for _ in range(random.randint(0, 4))])

    def _who_am_i(self) -> Request:
        return self._request(Op.WHO_AM_I, b"", "WHO_AM_I")

    def _reconfig(self) -> Request:
        record = pack_string("server.9=h:1:2;3") + pack_string(None) + pack_string(None) + pack_long(-1)
        return self._request(Op.RECONFIG, record, "RECONFIG")

    # ------------------------------------------------------------------ watches

    def _kind_of(self, path: str | None) -> Kind:
        """Return the one kind of watch that this client sets at ``path``.

        Before 3.9 a second kind replaces the first (ZOOKEEPER-4466), and the types of removeWatches do not
        tell them apart (ZOOKEEPER-4471).
        """
        return list(Kind)[crc32(f"{self._client}{path}".encode()) % len(Kind)]

    def _add_watch(self) -> Request:
        # With a watch on null Apache's server fails to close the connection that holds it.
        path, mode = self._path() or BASE, self._random.choice((2, -1))
        kind = self._kind_of(path)
        if kind is not Kind.ORDINARY and self._random.random() < 0.9:
            mode = 0 if kind is Kind.PERSISTENT else 1
        return self._request(
            Op.ADD_WATCH, pack_string(path) + pack_int(mode), f"ADD_WATCH {path!r} {mode}", path
        )

    def _remove_watches(self) -> Request:
        return self._of_watches(Op.REMOVE_WATCHES)

    def _check_watches(self) -> Request:
        return self._of_watches(Op.CHECK_WATCHES)

    def _of_watches(self, op: Op) -> Request:
        path = self._path()
        ordinary = self._kind_of(path) is Kind.ORDINARY
        kind = self._random.choice((1, 2, 3, 3, 1, 2, 3, 4, 5, 0, 6) if ordinary else (3, 3, 3, 3, 0, 6))
        return self._request(op, pack_string(path) + pack_int(kind), f"{op.name} {path!r} {kind}", path)

    def _set_watches(self) -> Request:
        random = self._random
        op = random.choice((Op.SET_WATCHES, Op.SET_WATCHES2))
        kinds = (Kind.ORDINARY, Kind.ORDINARY, Kind.ORDINARY, Kind.PERSISTENT, Kind.RECURSIVE)
        paths = [[self._path() or "/" for _ in range(random.choice((0, 0, 1, 2, 3)))] for _ in kinds]
        lists = [
            [path for path in each if self._kind_of(path) is kind]
            for kind, each in zip(kinds, paths, strict=True)
        ]
        lists = lists[: 3 if op == Op.SET_WATCHES else 5]
        since_last = random.random() < 0.6
        record = pack_long(0) + b"".join([pack_strings(paths) for paths in lists])
        text = f"{op.name} since {'last' if since_last else 0} {lists}"
        return self._request(op, record, text, xid=SET_WATCHES_XID, zxid_first=since_last)

    # ------------------------------------------------------------------ the session

    def _ping(self) -> Request:
        return self._request(Op.PING, b"", "PING", xid=self._random.choice((PING_XID, PING_XID, None)))

    def _close_session(self) -> Request:
        return self._request(Op.CLOSE_SESSION, b"", "CLOSE_SESSION")

    def _auth(self) -> Request:
        scheme, credential = self._random.choice(
            (
                *[("digest", user.encode()) for user in USERS * 4],
                ("digest", b"nocolon"),
                ("digest", b"a:b:c"),
                ("digest", b":"),
                ("digest", b""),
                ("digest", None),
                ("ip", b"1.2.3.4"),
                ("world", b"anyone"),
                ("nope", b"x"),
            )
        )
        record = pack_int(0) + pack_string(scheme) + pack_bytes(credential)
        return self._request(Op.AUTH, record, f"AUTH {scheme} {credential!r}", xid=AUTH_XID)

    def _odd(self) -> Request:
        op = self._random.choice(ODD_OPS)
        # Over a check alone that holds, Apache's server ends itself (ZOOKEEPER-2623).
        records = {Op.CHECK: pack_string(f"{BASE}/none") + pack_int(0), Op.SASL: pack_bytes(b"token")}
        record = records.get(Op(op), b"") if op in list(Op) else b""
        return self._request(op, record, f"operation {op}")


def _is_last(request: Request) -> bool:
    """Tell whether Apache is confused about what is pipelined behind a request, until that is applied.

    It judges it by the old list of a setACL, and by what a multi did before it came upon a mode that cannot be.
    """
    if request.op == Op.SET_ACL:
        return True
    return request.op == Op.MULTI and any(f" mode {mode}" in request.text for mode in (5, 6))


def _text(acl: tuple[Acl, ...] | None) -> str:
    if acl is None:
        return "null"
    if acl == OPEN_ACL:
        return "open"
    return (
        ",".join([f"{entry.identity.scheme}:{entry.identity.id}:{entry.perms}" for entry in acl]) or "empty"
    )
