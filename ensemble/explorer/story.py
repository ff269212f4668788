"""A path through the worlds in words, and the way to walk it again: the place of each step among those there were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ensemble.explorer.locals import Wrong
from ensemble.explorer.search import Found
from ensemble.explorer.server import Sent
from ensemble.explorer.world import Event, Rules, Step, World
from ensemble.zab.messages import PacketType
from ensemble.zxid import text


class Astray(Exception):
    """A path leads to a place where there is no such step."""


def walk_of(rules: Rules, root: World, path: Iterable[Event]) -> list[int]:
    """Return the place of each event of a path among the steps there were."""
    walk: list[int] = []
    world = root
    for event in path:
        steps = list(rules.steps(world))
        place = next((place for place, step in enumerate(steps) if step.event == event), None)
        if place is None:
            raise Astray(f"{event} cannot happen after {walk}")
        walk.append(place)
        world = steps[place].world
    return walk


def steps_of(rules: Rules, root: World, walk: Iterable[int]) -> Iterator[tuple[World, Step]]:
    """Walk: return each step, with the world before it."""
    world = root
    for done, place in enumerate(walk):
        steps = list(rules.steps(world))
        if not 0 <= place < len(steps):
            raise Astray(f"step {done + 1} is {place}, of {len(steps)} that there are")
        yield world, steps[place]
        world = steps[place].world


def tell(rules: Rules, root: World, walk: Iterable[int]) -> list[str]:
    """Tell a walk step by step: the event, and what each server that it touched is afterwards."""
    lines: list[str] = []
    for number, (before, step) in enumerate(steps_of(rules, root, walk), 1):
        lines.append(f"{number:>3}  {_event(before, step.event)}")
        for place, (was, now) in enumerate(zip(before.servers, step.world.servers, strict=True)):
            if was != now:
                lines.append(f"       server {place + 1}: {_server(rules, now)}")
        if step.wrong is not None:
            lines.append(f"     {wrong_text(step.wrong)}")
    return lines


def tell_found(rules: Rules, root: World, found: Found) -> list[str]:
    """Tell a violation, and how to see it again."""
    walk = walk_of(rules, root, found.path)
    return [*tell(rules, root, walk), f"     to see it again: --walk {walk_text(walk)}"]


def wrong_text(wrong: Wrong) -> str:
    """Say what does not hold."""
    return f"{wrong.invariant}: {wrong.what}"


def walk_text(walk: Iterable[int]) -> str:
    """Write a walk as an argument."""
    return ".".join([str(place) for place in walk])


def _server(rules: Rules, number: int) -> str:
    local = rules.locals.all[number]
    platter = local.platter
    log = ", ".join([f"{text(zxid)} {payload.decode()}" for zxid, payload in platter.durable]) or "nothing"
    volatile = "".join(
        [f", not synced {text(zxid)} {payload.decode()}" for zxid, payload in platter.volatile]
    )
    disk = f"disk: {log}{volatile}; epochs {platter.accepted} accepted, {platter.current} current"
    seen = local.seen
    if seen is None:
        return f"down; {disk}"
    leader = "" if seen.leader is None else f" of server {seen.leader} in epoch {seen.epoch}"
    serving = ", serving" if seen.serving else ""
    return f"{seen.role.name.lower()}{leader}, {seen.phase.value}{serving}; {disk}"


def _event(world: World, event: Event) -> str:
    kind = event[0]
    if kind == "cut":
        return (
            f"{_event(world, event[2])}; server {event[1]} dies after {event[3]} of the effects of that"
            + _kept(event[4])
        )
    if kind == "crash":
        return f"server {event[1]} dies{_kept(event[2])}"
    if kind == "parley":
        return f"servers {', '.join(map(str, event[1]))} hold an election"
    if kind == "break":
        return f"the link from server {event[1][0]} to server {event[1][1]} breaks"
    if kind in ("packet", "end"):
        return _arrival(world, event)
    if kind == "rest":
        return "nothing is under way any more"
    told = _WORDS.get(kind)
    return told.format(*event[1:]) if told is not None else f"server {event[1]}: {kind} {event[2:]}"


_WORDS = {
    "begin": "begin",
    "connect": "server {0} reaches server {1}",
    "refuse": "server {0} cannot reach server {1}",
    "restart": "server {0} starts",
    "synced": "a sync of server {0}'s disk is done",
    "write": "a client writes at server {0}",
    "timer": "server {0}: {1}",
    "timeout": "server {0} waits no longer",
    "forsaken": "server {0} waits no longer: nobody comes",
    "mail": "server {0} hears the vote of server {1}",
}


def _kept(kept: int) -> str:
    return f"; {kept} of what was not synced is kept" if kept else ""


def _arrival(world: World, event: Event) -> str:
    kind, sid, key = event
    other = key[1] if key[0] == sid else key[0]
    if kind == "end":
        return f"server {sid} notices that its link to server {other} is gone"
    link = next(link for link in world.ways.links if link.key == key)
    packet = link.queues[0 if key[0] == sid else 1][0]
    assert isinstance(packet, Sent)
    zxid = f" {text(packet.zxid)}" if packet.zxid > 0 else ""
    return f"server {sid} gets {PacketType(packet.type).name}{zxid} from server {other}"
