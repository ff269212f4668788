"""``panel``: the web control panel alone."""
