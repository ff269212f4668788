"""Worlds to begin with. An election takes some thirty events: who is interested in what comes after begins there."""

from __future__ import annotations

from collections.abc import Callable

from ensemble.explorer.disk import Platter
from ensemble.explorer.invariants import Past
from ensemble.explorer.ways import Ways
from ensemble.explorer.world import Event, Rules, World

_EVENTS_MAX = 1_000


def off(rules: Rules, *, txns: int = 0) -> World:
    """no server runs yet."""
    down = [rules.locals.down(sid, Platter()) for sid in _sids(rules)]
    left = rules.left._replace(txns=rules.left.txns + txns)
    return World(tuple(down), Ways(), left, Past())


def boot(rules: Rules, *, txns: int = 0) -> World:
    """all servers have just started."""
    return rules.follow(off(rules, txns=txns), *[("restart", sid) for sid in _sids(rules)])


def elected(rules: Rules, *, txns: int = 0) -> World:
    """the servers have elected one, and nothing is under way."""
    return settled(rules, boot(rules, txns=txns))


def writing(rules: Rules) -> World:
    """one transaction is committed, another one has just been proposed."""
    return rules.follow(_written(rules, elected(rules, txns=2)), ("write", _last(rules)))


def joining(rules: Rules, *, txns: int = 0) -> World:
    """server 1, with an empty disk, has just started; the others hold a transaction of an earlier epoch."""
    others = [sid for sid in _sids(rules) if sid != 1]
    last = _last(rules)
    world = settled(rules, rules.follow(off(rules, txns=txns + 1), *[("restart", sid) for sid in others]))
    world = rules.follow(_written(rules, world), ("crash", last, 0))
    world = settled(rules, rules.follow(world, ("restart", last)))
    return rules.follow(world._replace(left=rules.left._replace(txns=world.left.txns)), ("restart", 1))


def abandoned(rules: Rules) -> World:
    """server 1 got its synchronization and a transaction that nobody else has, none of it synced; the leader died."""
    last = _last(rules)
    key = (1, last, 0)
    world = rules.follow(joining(rules, txns=1), ("parley", tuple(_sids(rules))), ("connect", 1, last))
    world = rules.follow(world, ("packet", last, key), ("packet", 1, key))
    world = rules.follow(world, *[("break", link.key) for link in world.ways.links if link.key != key])
    world = rules.follow(world, ("write", last), ("packet", last, key))
    while any(link.queues[0] for link in world.ways.links if link.key == key):
        world = rules.follow(world, ("packet", 1, key))
    return rules.follow(world, ("crash", last, 0))._replace(left=rules.left)


def returning(rules: Rules) -> World:
    """a leader died with a transaction that only it has, and starts again; the others have another leader."""
    last = _last(rules)
    world = rules.follow(_written(rules, elected(rules, txns=2)), ("write", last))
    world = rules.follow(world, *[("break", link.key) for link in world.ways.links])
    world = settled(rules, rules.follow(world, ("synced", last), ("crash", last, 0)))
    return rules.follow(world._replace(left=rules.left), ("restart", last))


def settled(rules: Rules, world: World) -> World:
    """Let everything that is under way happen, in a fixed order, without faults and writes."""
    for _ in range(_EVENTS_MAX):
        events = rules.calm_events(world)
        if not events:
            return world
        # The largest election there is, and only when nothing else is to be done.
        world = rules.follow(world, min(events, key=_weight))
    raise AssertionError("this world never comes to rest")


def _weight(event: Event) -> int:
    return _EVENTS_MAX - len(event[1]) if event[0] == "parley" else 0


def _written(rules: Rules, world: World) -> World:
    return settled(rules, rules.follow(world, ("write", _last(rules))))


def _sids(rules: Rules) -> range:
    return range(1, rules.bounds.servers + 1)


def _last(rules: Rules) -> int:
    return rules.bounds.servers


STARTS: dict[str, Callable[[Rules], World]] = {
    start.__name__: start for start in (off, boot, elected, writing, joining, abandoned, returning)
}
