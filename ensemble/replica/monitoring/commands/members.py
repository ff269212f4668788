"""The servers of an ensemble as the AdminServer tells of them."""

from __future__ import annotations

from ensemble.membership import ServerAddress, bracketed

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what is told, not where anybody listens


def client_address(member: ServerAddress) -> str:
    """Return where clients reach a server, as its line of the membership says; "" when it does not."""
    if not member.client_port:
        return ""
    return f"{bracketed(member.client_host or ANY_ADDRESS)}:{member.client_port}"


def addresses(host: str, port: int) -> dict[str, object]:
    """Tell one address in the many ways in which ``zabstate`` does (MultipleAddresses)."""
    address = f"{bracketed(host)}:{port}"
    return {
        "empty": False,
        "all_addresses": [address],
        "all_reachable_addresses": [address],
        "one": address,
        "reachable_address": address,
        "wildcard_addresses": [f"{ANY_ADDRESS}:{port}"],
        "all_ports": [port],
        "all_host_strings": [host],
        "all_reachable_addresses_or_all": [address],
        "reachable_or_one": address,
    }
