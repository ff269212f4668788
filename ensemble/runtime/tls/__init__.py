"""Encryption on the way: what every secure socket of a server needs, whoever speaks on it.

    settings    what an operator may set, once for the client port and once for the links between servers
    jks         Java's own key store format: bytes to keys and certificates
    stores      a key store or trust store file of any kind, as key and certificates
    ciphers     suites and protocol versions, from Java's names to OpenSSL's
    contexts    the ``ssl.SSLContext`` of the moment, made anew when a file has changed
    der         the few lines of ASN.1 that names need
    names       the name in a certificate: as Java writes it, and whether it is a host's
    revocation  whether the issuer still stands by a certificate
    doorstep    a connection before its protocol gets it: plain or TLS, the handshake, the name
    listener    a port that puts every connection on the doorstep first

It does not know the ZooKeeper protocol.
"""
