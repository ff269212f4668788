"""Texts of lines that end somewhere, and dates as Java writes them."""

from __future__ import annotations

LINES_MAX = 10_000
"""A longer list is cut off, and says so: a word is no way to make a server build gigabytes (CVE-2017-5637)."""

_WEEKDAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")
"""From 1970-01-01 on."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS_TO_MARCH_0 = 719_468
"""Days from 0000-03-01 to 1970-01-01."""
_DAYS_OF_400_YEARS = 146_097


def lines_text(lines: list[str]) -> str:
    """Join lines, up to a bound."""
    left_out = len(lines) - LINES_MAX
    if left_out > 0:
        lines = [*lines[:LINES_MAX], f"... and {left_out} more lines"]
    return "".join([f"{line}\n" for line in lines])


def tree_text(groups: dict[str, dict[str, None]]) -> str:
    """Write each head with its members, indented, below it."""
    lines: list[str] = []
    for head, members in groups.items():
        lines.append(head)
        lines += [f"\t{member}" for member in members]
    return lines_text(lines) + "\n"


def date_text(wall_ms: int) -> str:
    """Write a time as java.util.Date does, in UTC: ``Sun Nov 22 17:16:27 UTC 2026``.

    The calendar is that of http://howardhinnant.github.io/date_algorithms.html (years begin in March).
    """
    days, seconds = divmod(wall_ms // 1000, 86_400)
    era, day_of_era = divmod(days + _DAYS_TO_MARCH_0, _DAYS_OF_400_YEARS)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = (month_from_march + 2) % 12
    year = year_of_era + era * 400 + (1 if month < 2 else 0)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{_WEEKDAYS[days % 7]} {_MONTHS[month]} {day:02} {clock} UTC {year}"
