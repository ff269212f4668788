"""What must hold.

After every step, of real peers, trees and disks
    invariants    I1-I14
    durable       what the disks would hold if the power went now
    quorums       who may decide, counted anew
    quotas        what a quota counts is what there is

At the end, of what clients saw, against the committed log
    model         what the service should do, said a second time
    checkers      C1-C7: every reply against the model at its zxid
    watching      C4: every watch that fires once
    staying       C4: every watch that stays
    linearizable  a second opinion on C1, by search
    exclusion     C8: what must come of recipes

Those of the second kind know no server and no fault: they judge real ensembles as well (``ensemble.chaos``).
"""
