"""The views. Pages and fragments are rendered from what the gateway answers; nothing here looks below it."""
