"""What a run says of itself: a few lines for people, and a file for later."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ensemble.chaos.run import Report
from ensemble.simulator.clients.history import Replied
from ensemble.tree.operations import Op

EXIT_BROKEN, EXIT_VOID = 1, 3


def exit_code(report: Report) -> int:
    """0 when everything held, 1 when a promise was broken, 3 when too little happened to tell."""
    if report.violations:
        return EXIT_BROKEN
    return EXIT_VOID if report.void else 0


def lines(report: Report) -> list[str]:
    """Return the verdict."""
    rate = report.answered / report.seconds if report.seconds else 0.0
    faults = ", ".join(f"{count} {name}" for name, count in sorted(report.faults.items())) or "none"
    checked = ", ".join(
        f"{name} ({count})" if count else name for name, count in report.judgement.checked.items()
    )
    verdict = "broken" if report.violations else "void" if report.void else "held"
    return [
        f"{report.seconds:.0f} s, {report.answered} answers ({rate:.0f}/s) to {report.asked} requests, "
        f"{report.unknown} outcomes unknown, {report.sessions} sessions, {report.transactions} transactions",
        f"faults: {faults}; the longest time without an acknowledged write: {report.gap_ms} ms",
        *(f"left out: {name}, as {why}" for name, why in report.skipped.items()),
        f"checked: {checked or 'nothing'}",
        *(f"known of Apache's: {what}" for what in report.judgement.known),
        *(f"void: {why}" for why in report.void),
        *report.violations,
        *report.findings,
        *([f"the servers' directories and report.json are in {report.kept}"] if report.kept else []),
        f"seed {report.plan.seed}: {verdict}",
    ]


def save(report: Report, path: Path) -> None:
    """Write everything as JSON: the figures, the history of every session, the committed log."""
    # A call stands in the stream of its session by its place in the list of all.
    places = {id(call): index for index, call in enumerate(report.history.calls)}
    calls = [
        {**_plain(call), "op": Op(call.op).name, "acknowledged": call.answer is not None}
        for call in report.history.calls
    ]
    streams = {
        place: [
            [type(seen).__name__, places[id(seen.call)] if isinstance(seen, Replied) else _plain(seen)]
            for seen in stream
        ]
        for place, stream in report.history.streams.items()
    }
    whole = {
        "plan": _plain(report.plan),
        "seconds": report.seconds,
        "faults": report.faults,
        "skipped": report.skipped,
        "asked": report.asked,
        "answered": report.answered,
        "unknown": report.unknown,
        "gap_ms": report.gap_ms,
        "violations": report.violations,
        "findings": report.findings,
        "void": report.void,
        "notes": report.notes,
        "checked": report.judgement.checked,
        "known": report.judgement.known,
        "calls": calls,
        "streams": streams,
        "log": [[zxid, b64encode(payload).decode()] for zxid, payload in report.log],
    }
    path.write_text(json.dumps(whole, default=_encoded), encoding="utf-8")


def _plain(value: Any) -> dict[str, Any]:
    return asdict(value)


def _encoded(value: object) -> object:
    return b64encode(value).decode() if isinstance(value, bytes) else repr(value)
