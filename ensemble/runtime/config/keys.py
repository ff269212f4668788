"""Every key that may stand in an Apache ZooKeeper 3.9 ``zoo.cfg``, by what it does here.

Source: QuorumPeerConfig.parseProperties and the administrator's guide; any key that parser does not know
becomes a Java system property, which is how ``snapCount`` and most others work from the file.
"""

from __future__ import annotations

import difflib
from enum import Enum


class Effect(Enum):
    """What a key of the file does to this server."""

    USED = "used"
    IRRELEVANT = "irrelevant"
    """Tunes threads, buffers or libraries of the Java server; there is nothing here it could mean."""
    WITHOUT = "without"
    """A feature this server does not have (yet): said by name at start."""
    UNKNOWN = "unknown"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILE_ONLY = _names(
    """
    dataDir dataLogDir clientPort clientPortAddress clientPortListenBacklog secureClientPort
    secureClientPortAddress observerMasterPort localSessionsEnabled localSessionsUpgradingEnabled tickTime
    maxClientCnxns minSessionTimeout maxSessionTimeout initLimit syncLimit connectToLearnerMasterLimit electionAlg
    quorumListenOnAllIPs peerType dynamicConfigFile autopurge.snapRetainCount autopurge.purgeInterval
    standaloneEnabled reconfigEnabled sslQuorum portUnification sslQuorumReloadCertFiles oraclePath
    """
)
"""Keys of Apache's parser that are no Java properties: ``-D`` does not set them."""

_TLS = _names(
    """
    keyStore.location keyStore.password keyStore.passwordPath keyStore.type trustStore.location
    trustStore.password trustStore.passwordPath trustStore.type clientAuth hostnameVerification
    clientHostnameVerification allowReverseDnsLookup ciphersuites protocol enabledProtocols
    handshakeDetectionTimeoutMillis crl ocsp
    """
)

USED = _names(
    """
    clientPort clientPortAddress secureClientPort secureClientPortAddress client.portUnification
    client.certReload sslQuorum portUnification sslQuorumReloadCertFiles netty.server.outstandingHandshake.limit clientPortListenBacklog dataDir dataLogDir tickTime initLimit syncLimit
    maxClientCnxns minSessionTimeout maxSessionTimeout snapCount autopurge.snapRetainCount
    autopurge.purgeInterval 4lw.commands.whitelist jute.maxbuffer standaloneEnabled dynamicConfigFile
    quorumListenOnAllIPs peerType electionAlg cnxTimeout version reconfigEnabled observerMasterPort
    coordinator.adminPort coordinator.faults
    coordinator.auditFile audit.enable admin.enableServer admin.serverAddress admin.serverPort admin.idleTimeout
    admin.commandURL admin.rateLimiterIntervalInMS admin.snapshot.enabled admin.restore.enabled
    admin.portUnification admin.forceHttps admin.needClientAuth metricsProvider.className
    metricsProvider.httpHost metricsProvider.httpPort
    DigestAuthenticationProvider.enabled DigestAuthenticationProvider.digestAlg
    DigestAuthenticationProvider.superDigest X509AuthenticationProvider.superUser skipACL ensembleAuthName
    enforce.auth.enabled enforce.auth.schemes letAnySaslUserDoX
    java.security.auth.login.config sasl.serverconfig SASLAuthenticationProvider.superPassword superUser
    sessionRequireClientSASLAuth allowSaslFailedClients
    quorum.auth.enableSasl quorum.auth.learnerRequireSasl quorum.auth.serverRequireSasl
    quorum.auth.learner.saslLoginContext quorum.auth.server.saslLoginContext
    maxCnxns globalOutstandingLimit largeRequestMaxBytes largeRequestThreshold
    requestThrottleLimit requestThrottleStallTime requestThrottleDropStale
    requestStaleLatencyCheck requestStaleConnectionCheck throttledOpWaitTime
    request_throttle_max_requests request_throttle_stall_time request_throttle_drop_stale
    request_stale_latency_check request_stale_connection_check throttled_op_wait_time
    connection_throttle_tokens connection_throttle_fill_time connection_throttle_fill_count
    connection_throttle_freeze_time connection_throttle_drop_increase connection_throttle_drop_decrease
    connection_throttle_decrease_ratio connection_throttle_weight_enabled
    connection_throttle_global_session_weight connection_throttle_local_session_weight
    connection_throttle_renew_session_weight
    coordinator.maxSessions coordinator.maxWatches coordinator.maxWatchesPerConnection
    coordinator.maxOutstandingBytes
    extendedTypesEnabled emulate353TTLNodes znode.container.checkIntervalMs znode.container.maxPerMinute
    znode.container.maxNeverUsedIntervalMs enforceQuota
    localSessionsEnabled localSessionsUpgradingEnabled readonlymode.enabled nio.sessionlessCnxnTimeout
    preAllocSize txnLogSizeLimitInKb snapSizeLimitInKb commitLogCount forceSync fsync.warningthresholdms
    snapshot.compression.method snapshot.trust.empty serializeLastProcessedZxid.enabled digest.enabled
    datadir.autocreate db.autocreate leaderServes electionPortBindRetry tcpKeepAlive clientTcpKeepAlive
    multiAddress.enabled
    """
) | {f"{prefix}{name}" for prefix in ("ssl.", "ssl.quorum.") for name in _TLS}
USED_PREFIXES = ("server.", "group.", "weight.", "authProvider.", "superUser.")

IRRELEVANT = _names(
    """
    maxBatchSize flushDelay maxWriteQueuePollTime
    syncEnabled
    quorumCnxnTimeoutMs multiAddress.reachabilityCheckEnabled multiAddress.reachabilityCheckTimeoutMs
    connectToLearnerMasterLimit leader.maxTimeToWaitForEpoch maxTimeToWaitForEpoch maxResponseCacheSize
    maxGetChildrenResponseCacheSize leader.closeSocketAsync learner.closeSocketAsync learner.asyncSending
    leader.maxConcurrentSnapSyncs leader.maxConcurrentDiffSyncs serverCnxnFactory watchManagerName
    forward_learner_requests_to_commit_processor_disabled follower.skipLearnerRequestToNextProcessor
    closeSessionTxn.enabled snapshot.throttle quorum.cnxn.threads.size preferIPv6Addresses
    ssl.sslProvider observer.reconnectDelayMs observer.election.DelayMs fips-mode intBufferStartingSizeBytes
    """
)
IRRELEVANT_PREFIXES = (
    "request_throttler.",
    "nio.",
    "netty.",
    "commitProcessor.",
    "jvm.",
    "watchCleaner",
    "watcherCleaner",
    "messageTracker.",
    "metricsProvider.exportJvmInfo",
    "metricsProvider.numWorkerThreads",
    "metricsProvider.maxQueueSize",
    "metricsProvider.workerShutdownTimeoutMs",
    "admin.httpVersion",
    "audit.impl.class",
    "java.",
    "javax.",
    "sun.",
    "com.sun.",
    "log4j",
    "logback.",
)

WITHOUT = _names(
    """
    quorum.auth.kerberos.servicePrincipal oraclePath
    """
)
WITHOUT_PREFIXES = (
    "ssl.",
    "kerberos.",
    "IPAuthenticationProvider.",
)

WITHOUT_MEANS_OFF: dict[str, str] = {}
"""Values of features we lack that ask for just that: nothing to warn about."""

ORACLE = "oraclePath"
"""A file that decides between two servers: to ignore it would be to break agreement."""


def effect_of(key: str) -> Effect:
    """Tell what ``key`` does to this server."""
    bare = key.removeprefix("zookeeper.")
    if bare in USED or bare.startswith(USED_PREFIXES):
        return Effect.USED
    if bare in IRRELEVANT or bare.startswith(IRRELEVANT_PREFIXES):
        return Effect.IRRELEVANT
    if bare in WITHOUT or bare.startswith(WITHOUT_PREFIXES):
        return Effect.WITHOUT
    return Effect.UNKNOWN


def nearest(key: str) -> str:
    """Return the key that somebody may have meant who wrote ``key``; empty when none comes near."""
    by_lower_case = {name.lower(): name for name in sorted(USED)}
    bare = key.removeprefix("zookeeper.").lower()
    found = difflib.get_close_matches(bare, by_lower_case, n=1, cutoff=0.8)
    return by_lower_case[found[0]] if found else ""
