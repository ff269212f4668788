"""What a server tells of itself, and nothing of it unasked.

status        the server as our own admin port shows it
four_letter/  the words of monitoring
commands/     the AdminServer's
metrics/      the figures under the names Apache's dashboards ask for
"""
