"""The sockets of clients.

clients     who may have a connection, and all of them at hand
connection  one client's socket, from its first byte to its last
handshake   the first frame: a new session, an old one, or a refusal
channel     the bytes of it
idle        connections that have gone silent
"""
