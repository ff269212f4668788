"""SASL: proving who one is without showing a password. Between clients and servers, and between servers.

    digest_md5  the mechanism DIGEST-MD5: both ends of an exchange, tokens in and tokens out
    jaas        the file Java keeps users and passwords in: text to sections

No I/O, no clock, no randomness: tokens are carried by whoever calls, nonces come in with the calls. GSSAPI
(Kerberos) is not here: it is refused where it is configured.
"""
