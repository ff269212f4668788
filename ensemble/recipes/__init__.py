"""Recipes: what people build on a ZooKeeper, on top of the client.

lock             Lock, ReadWriteLock, Semaphore; election: LeaderElection
barrier          Barrier, DoubleBarrier
queue            Queue, whose items are put in once and done once
counter          Counter; party: Party, who is there
master_worker    a master that hands out tasks to workers, as in the book on ZooKeeper

hold             what is held, and how its holder is told that it is lost
line             waiting in order of arrival
once             transactions that happen once, though the connection breaks
protected        znodes that are created once and always taken away; errors: what goes wrong

All of them live through the loss of a connection. When the session ends they say so: what was held is ``Lost``, what
was asked for raises ``SessionExpired``. A task that is cancelled leaves no znode behind.
"""

from ensemble.recipes.barrier import Barrier, DoubleBarrier
from ensemble.recipes.counter import Counter
from ensemble.recipes.election import LeaderElection
from ensemble.recipes.errors import Lost, RecipeError
from ensemble.recipes.hold import Hold
from ensemble.recipes.lock import Lock, ReadWriteLock, Semaphore
from ensemble.recipes.master_worker import Assignment, Master, Task, TaskFailed, Tasks, Worker
from ensemble.recipes.once import Once
from ensemble.recipes.party import Party
from ensemble.recipes.queue import Item, Queue

__all__ = [
    "Assignment",
    "Barrier",
    "Counter",
    "DoubleBarrier",
    "Hold",
    "Item",
    "LeaderElection",
    "Lock",
    "Lost",
    "Master",
    "Once",
    "Party",
    "Queue",
    "ReadWriteLock",
    "RecipeError",
    "Semaphore",
    "Task",
    "TaskFailed",
    "Tasks",
    "Worker",
]
