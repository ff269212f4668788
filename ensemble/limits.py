"""Every bound of the service in one place; a test reaches each of them.

Units are in the names. Sources are given where Apache fixes the figure.
"""

from __future__ import annotations

FRAME_BYTES_MAX = 0xFFFFF
"""``jute.maxbuffer``: the largest client frame (Apache's default, 1 MiB - 1)."""

CONNECT_FRAME_BYTES_MAX = 4096
"""The first frame of a connection: a ConnectRequest is 44 or 45 bytes."""

PEER_FRAME_BYTES_MAX = 64 * 1024 * 1024
"""One packet between servers: a transaction may outgrow the client frame it came from."""

INTRODUCTION_BYTES_MAX = 1024
"""The data of the first packet of a learner that calls (20 bytes, if it is honest)."""

SNAPSHOT_BYTES_MAX = 4 * 1024 * 1024 * 1024
"""One snapshot streamed by a leader: it is held in memory until it is whole."""

ELECTION_FRAME_BYTES_MAX = 512 * 1024
"""One election message (Apache's QuorumCnxManager)."""

ELECTION_HELLO_BYTES_MAX = 2048
"""The address part of an election handshake (Apache's QuorumCnxManager)."""

EPOCHS_AHEAD_MAX = 1 << 20
"""What a learner may claim to have promised beyond its leader's promise, and half of what a leader may propose beyond
its learner's. An election takes at least some tens of milliseconds, so nobody honest is a million epochs ahead; who
was believed would use up the epochs, 31 bits, or shut a server out for good (Apache believes it)."""

TXN_BYTES_MAX = 16 * 1024 * 1024
"""One derived transaction; refused when it is prepared, never when it is applied (ZOOKEEPER-2101)."""

MULTI_OPS_MAX = 100_000
"""Operations in one multi: more than a frame of the default size can hold (Apache has no bound of its own)."""

MULTI_READ_BYTES_MAX = 64 * 1024 * 1024
"""Answers to the reads of one multi: more than any client takes in one frame (Apache has no bound of its own)."""

ACL_ENTRIES_MAX = 65_536
"""Entries of one access list: more than a client frame holds, but each ``auth`` stands for several."""

SESSION_PASSWORD_BYTES = 16

CONNECTIONS_PER_ADDRESS_MAX = 60
"""``maxClientCnxns`` (Apache's default)."""

CONNECTIONS_MAX = 10_000
"""``maxCnxns`` (Apache: none)."""

SESSIONS_MAX = 500_000
"""``coordinator.maxSessions``: sessions of an ensemble; each is known to every server until it expires."""

WATCHES_PER_CONNECTION_MAX = 1_000_000
"""``coordinator.maxWatchesPerConnection``: watches of one client."""

WATCHES_MAX = 5_000_000
"""``coordinator.maxWatches``: watches of one server, at some 200 bytes each."""

UNANSWERED_MAX = 100_000
"""``globalOutstandingLimit``: requests of all clients not yet answered. Apache's 1000 suits a thread for each
request; here they are answered in batches, and a small bound would only make the batches small."""

UNANSWERED_BYTES_MAX = 512 * 1024 * 1024
"""Bytes of those requests (``coordinator.maxOutstandingBytes``)."""

LARGE_REQUEST_BYTES_MAX = 100 * 1024 * 1024
"""``largeRequestMaxBytes`` (Apache's default)."""

SESSIONLESS_CONNECTION_MS = 10_000
"""A connection that has not sent its ConnectRequest by then is closed (Apache: 10 s)."""

ENDED_SESSIONS_MAX = 100_000
"""Sessions a leader remembers to have ended, where it could take one for another server's local session."""

OUTSTANDING_PER_CONNECTION_MAX = 4096
"""Requests of one connection not yet answered; beyond it the socket is not read."""

OUTSTANDING_BYTES_PER_CONNECTION_MAX = 16 * 1024 * 1024
"""Unsent reply bytes of one connection; a client that does not read is not read from."""

COMMITTED_LOG_TXNS_MAX = 5000
"""Recent transactions kept in memory for DIFF synchronization (Apache keeps 500)."""

SNAP_COUNT_TXNS = 100_000
"""``snapCount``: transactions between two snapshots (Apache's default)."""

SNAP_BYTES = 4 * 1024 * 1024 * 1024
"""``snapSizeLimitInKb``: bytes of log between two snapshots (Apache's default)."""

TRACE_QUEUE_EVENTS_MAX = 20_000
"""Events one listener may lag behind; beyond it events are dropped and counted."""

LEARNER_HELD_BYTES_MAX = 256 * 1024 * 1024
"""What a leader keeps for a learner that has not acked its synchronization yet; one that is to hear more is cut off."""

DIFF_TXNS_MAX = 20_000
"""Transactions sent one by one to a learner that was away; one that lacks more gets a snapshot."""

COMMITTED_LOG_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of those recent transactions; large ones push old ones out before their number does."""

LOG_FILE_BYTES_MAX = 64 * 1024 * 1024
"""One txn log file; the next transaction after that begins another."""

LOG_ALLOCATE_BYTES = 1024 * 1024
"""A log file is extended by zeros in steps of this size (Apache: 64 MiB), ahead of the transactions."""

SNAPSHOTS_KEPT = 3
"""``autopurge.snapRetainCount`` (Apache's default)."""

WATCH_QUEUE_EVENTS_MAX = 10_000
"""Events a client's stream may hold for a reader that lags; beyond it the stream ends and says so."""

STATES_UNREAD_MAX = 100
"""States a client keeps for a reader that lags; beyond it the oldest are left out, never the last."""

TLS_HANDSHAKES_MAX = 64
"""TLS handshakes of one port at the same time; more connections wait for their turn."""

TLS_DOORSTEP_MAX = 4096
"""Connections of one port that have not finished their handshake; more are closed."""

TLS_HANDSHAKE_S_MAX = 15.0
"""A connection that is not through by then is closed."""

QUORUM_SASL_EXCHANGES_MAX = 256
"""SASL exchanges with other servers under way at the same time; more connections are closed."""

QUORUM_SASL_S_MAX = 10.0
"""A server that has not proved itself by then is turned away."""
