"""The event loop a frontend runs on: uvloop's where it is installed, which takes half the time for a read and a write.

Must not know what runs on it.
"""

from __future__ import annotations

import asyncio

try:
    import uvloop
except ImportError:  # it has no wheel for every platform
    uvloop = None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop, not yet running."""
    return asyncio.new_event_loop() if uvloop is None else uvloop.new_event_loop()
