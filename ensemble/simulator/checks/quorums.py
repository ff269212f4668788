"""Quorums, counted anew from the membership: a wrong count in ``zab`` is noticed by not being shared."""

from __future__ import annotations

from collections.abc import Collection

from ensemble.membership import Membership


def is_quorum(membership: Membership, holders: Collection[int]) -> bool:
    """Tell whether servers may decide; counted here anew, so that a wrong count below is noticed."""
    groups = [group for group in membership.groups.values() if sum(map(membership.weight, group))]
    if not groups:
        return 2 * len([sid for sid in membership.voters if sid in holders]) > len(membership.voters)
    won = [
        group
        for group in groups
        if 2 * sum([membership.weight(sid) for sid in group if sid in holders])
        > sum(map(membership.weight, group))
    ]
    return 2 * len(won) > len(groups)
