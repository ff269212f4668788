"""The panel's addresses. GET shows, POST does; nothing else changes anything."""

from __future__ import annotations

from django.urls import path, register_converter

from dashboard.places import actions, dialogs, ensemble, sessions, tree, watches


class SessionConverter:
    """A session id as people write it: ``0x`` and up to sixteen hex digits."""

    regex = "0x[0-9a-f]{1,16}"

    def to_python(self, value: str) -> str:
        """Return it as it is: ids are strings."""
        return value

    def to_url(self, value: str) -> str:
        """Return it as it is."""
        return value


register_converter(SessionConverter, "session")

urlpatterns = [
    path("", ensemble.home, name="home"),
    path("ensemble/", ensemble.ensemble, name="ensemble"),
    path("pipeline/", ensemble.pipeline, name="pipeline"),
    path("tree/", tree.tree, name="tree"),
    path("tree/item/", tree.tree_item, name="tree-item"),
    path("tree/find/", tree.tree_find, name="tree-find"),
    path("tree/value/", tree.tree_value, name="tree-value"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/<session:session>/", sessions.session, name="session"),
    path("watches/", watches.watches, name="watches"),
    path("dialogs/partition", dialogs.partition, name="dialog-partition"),
    path("dialogs/server/<int:sid>/<slug:action>", dialogs.server, name="dialog-server"),
    path("dialogs/expire/<session:session>", dialogs.expire, name="dialog-expire"),
    path("dialogs/znode/create", dialogs.create, name="dialog-create"),
    path("dialogs/znode/edit", dialogs.edit, name="dialog-edit"),
    path("dialogs/znode/delete", dialogs.delete, name="dialog-delete"),
    path("dialogs/znode/quota", dialogs.quota, name="dialog-quota"),
    path("dialogs/znode/lift", dialogs.lift_quota, name="dialog-lift"),
    path("actions/partition", actions.partition, name="action-partition"),
    path("actions/heal", actions.heal, name="action-heal"),
    path("actions/server/<int:sid>/<slug:action>", actions.server, name="action-server"),
    path("actions/expire/<session:session>", actions.expire, name="action-expire"),
    path("actions/znode/create", actions.create, name="action-create"),
    path("actions/znode/set", actions.set_data, name="action-set"),
    path("actions/znode/delete", actions.delete, name="action-delete"),
    path("actions/znode/quota", actions.set_quota, name="action-quota"),
    path("actions/znode/lift", actions.lift_quota, name="action-lift"),
]
