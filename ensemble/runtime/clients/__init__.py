"""The sockets of clients: ``clients``, from bytes to the replica and back; ``ports``, where they connect."""
