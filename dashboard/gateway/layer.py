"""What a Channels layer may raise when it cannot deliver. With Redis its own family, in memory none of them."""

from __future__ import annotations

from channels.exceptions import ChannelFull
from redis.exceptions import RedisError

LAYER_ERRORS = (ChannelFull, RedisError, OSError)
