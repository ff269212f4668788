"""What the panel itself remembers: the audit list. (The ensemble's state is never copied into a database.)"""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """One action done, or refused, through the panel."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.CharField(max_length=80)
    action = models.CharField(max_length=40)
    target = models.CharField(max_length=1100)
    reason = models.CharField(max_length=400, blank=True)
    done = models.BooleanField()
    outcome = models.CharField(max_length=600, blank=True)
    zxid = models.CharField(max_length=20, blank=True)
    """The transaction it made, as decimal digits; empty when it made none or none was seen."""

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.user} {self.action} {self.target}"
