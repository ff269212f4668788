"""Where Debian's Apache ZooKeeper 3.8.0 and this server are to differ, each with its reason.

Some differences are made alike for every step, or never provoked, instead (``compare``, ``scripts``):

- Notifications carry zxid -1 before 3.9.0 (ZOOKEEPER-4655).
- Before 3.9 a client's second kind of watch at one path replaces the first (ZOOKEEPER-4466), and the types of
  removeWatches do not tell them apart (ZOOKEEPER-4471).
- IPv6 addresses in access lists are taken since 3.9.4 (ZOOKEEPER-4240).
- deleteContainer and createSession are taken from any client by Apache, from none here.
- createTTL with a negative time to live and a mode without one, and before 3.9.3 a check alone that holds
  (ZOOKEEPER-2623), end Apache's process.
- Apache judges what is pipelined behind a setACL by the old list until the new one is applied, and what is
  pipelined behind a multi that fails over a mode by what that multi would have done.
- Stats of a quota that are no numbers: Apache answers writes below with MARSHALLING_ERROR, or ends its process, as
  over limits for the root; here they are counted anew.
- Of writes pipelined below a quota it depends on Apache's timing which are judged by what the others use.
- With a watch on a null path Apache fails to close the connection that holds it.
"""

from __future__ import annotations

import re

from ensemble.errors import Code
from ensemble.tree.operations import Op
from ensemble.wire.records import MULTI_END
from tests.differential.compare import Known, Verdict
from tests.differential.runner import Seen
from tests.differential.steps import Request

_PERSISTENT_TYPES = (" 4", " 5")
_EMPTY = b"\0\0\0\0"


def _error(seen: Seen) -> int | None:
    return seen[5] if seen[1] == "reply" else None


def _op(seen: Seen) -> int | None:
    return seen[3] if seen[1] == "reply" else None


def _exists(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if (
        _op(apache) != Op.EXISTS
        or _error(ours) != Code.NO_AUTH
        or _error(apache) != Code.OK
        or request is None
    ):
        return None
    return Verdict.STOP if request.record.endswith(b"\1") else Verdict.SAME


def _check(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    return Verdict.STOP if _op(apache) == Op.CHECK and _error(ours) == Code.UNIMPLEMENTED else None


def _watcher_types(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if _op(apache) not in (Op.CHECK_WATCHES, Op.REMOVE_WATCHES) or _error(apache) != Code.MARSHALLING_ERROR:
        return None
    if request is None or not request.text.endswith(_PERSISTENT_TYPES):
        return None
    changed = _op(ours) == Op.REMOVE_WATCHES and _error(ours) == Code.OK
    return Verdict.STOP if changed else Verdict.SAME


def _create2_in_multi(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if _op(apache) != Op.MULTI or len(apache[-1]) != len(ours[-1]) or apache[:-1] != ours[:-1]:
        return None
    for one, other in zip(apache[-1], ours[-1], strict=True):
        if one != other and not (
            one[:2] == (Op.CREATE, 0) and other[:2] == (Op.CREATE2, 0) and one[2] == other[2]
        ):
            return None
    return Verdict.SAME


def _container_in_multi(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    odd = request is not None and re.search(r"CREATE_CONTAINER [^;]* mode [0-3]", request.text)
    return Verdict.STOP if odd and _op(apache) == Op.MULTI and apache[:-1] == ours[:-1] else None


def _flags_in_multi(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if _op(apache) != Op.MULTI or _error(ours) != Code.MARSHALLING_ERROR or _error(apache) != Code.OK:
        return None
    refused = apache[-1] and any(result[1] for result in apache[-1])
    odd = request is not None and any(f"mode {mode}" in request.text for mode in (5, 6, 7, -1, 100))
    return Verdict.SAME if refused and odd else None


def _body_behind_error(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if apache[:-1] != ours[:-1] or _error(apache) != Code.MARSHALLING_ERROR or ours[-1] or not apache[-1]:
        return None
    return Verdict.SAME if apache[-1][0] == "unread" and apache[-1][1].endswith(MULTI_END.hex()) else None


def _others_watches(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if _op(apache) != Op.CHECK_WATCHES or _error(ours) != Code.NO_WATCHER or request is None:
        return None
    stumbles = _error(apache) == Code.MARSHALLING_ERROR and (request.path or "")[:1] != "/"
    return Verdict.SAME if stumbles or _error(apache) == Code.OK else None


def _unheard(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if request is None or request.op not in (Op.SET_WATCHES, Op.SET_WATCHES2) or apache[1] != "event":
        return None
    return Verdict.STOP


def _exception_in_multi(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    both = _error(apache) == _error(ours) == Code.MARSHALLING_ERROR
    return Verdict.STOP if both and _op(apache) == Op.MULTI else None


def _empty_path(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if _op(apache) != Op.GET_ALL_CHILDREN_NUMBER or _error(ours) != Code.OK or request is None:
        return None
    return Verdict.SAME if request.record == _EMPTY else None


def _no_reconfig(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    return Verdict.STOP if _op(apache) == Op.RECONFIG and _error(apache) == _error(ours) else None


def _older_connection(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    return Verdict.SAME if apache[1] == ours[1] == "the older connection" and ours[2] == "is open" else None


def _spoilt_byte(request: Request | None, apache: Seen, ours: Seen) -> Verdict | None:
    if request is None or not request.text.startswith("byte:") or _error(ours) != Code.MARSHALLING_ERROR:
        return None
    return Verdict.STOP


KNOWN: tuple[Known, ...] = (
    Known("exists", "READ is asked for since 3.9.2 (ZOOKEEPER-2590)", _exists),
    Known("check alone", "refused outside a multi since 3.9.3 (ZOOKEEPER-2623)", _check),
    Known("watcher types", "4 and 5, persistent watches alone, are 3.9's (ZOOKEEPER-4472)", _watcher_types),
    Known(
        "container in a multi",
        "before 3.9 only the mode makes a container there (ZOOKEEPER-4026)",
        _container_in_multi,
    ),
    Known(
        "create2 in a multi",
        "answered as create before 3.9, without a stat (ZOOKEEPER-4026)",
        _create2_in_multi,
    ),
    Known(
        "flags in a multi",
        "since 3.9 an unknown mode spoils the whole multi (ZOOKEEPER-4026)",
        _flags_in_multi,
    ),
    Known(
        "body behind an error",
        "Apache sends behind some errors as much of a multi as it had made; no client reads it",
        _body_behind_error,
    ),
    Known(
        "others' watches",
        "before 3.9 checkWatches sees all clients' and stumbles over no path (ZOOKEEPER-4466)",
        _others_watches,
    ),
    Known(
        "missed events",
        "what setWatches finds is told by Apache without regard to READ; here as any other event (CVE-2024-23944)",
        _unheard,
    ),
    Known(
        "exception in a multi",
        "a null path, or limits that cannot be read, are an exception to Apache when it has a zxid for the multi already, "
        "which is then nobody's; here the refusal has its number",
        _exception_in_multi,
    ),
    Known("empty path", "Apache counts the root among what is below it when it is called so", _empty_path),
    Known(
        "bad reconfig",
        "Apache answers one that cannot be read without a transaction; here every refusal has its number",
        _no_reconfig,
    ),
    Known(
        "wrong password",
        "Apache closes the owner's connection before it looks at the password: whoever knows an id could hang "
        "up its client; ours looks first",
        _older_connection,
    ),
    Known(
        "a spoilt byte",
        "text that is no UTF-8 (but for paths) and lists of negative length: Apache reads U+FFFD and nothing; ours "
        "refuses them",
        _spoilt_byte,
    ),
)
