# SPDX-License-Identifier: Apache-2.0
"""What a story needs: programs, origins, visitors, and words to say what is expected."""
from .clock import seconds, wait_until
from .origin import Origin, answering, response
from .peer import Closed, Cut, Message, Peer, connect, request_bytes
from .story import Failure, check, main, same, skip, story
from .tunnel import Tunnel

__all__ = [
    "Closed",
    "Cut",
    "Failure",
    "Message",
    "Origin",
    "Peer",
    "Tunnel",
    "answering",
    "check",
    "connect",
    "main",
    "request_bytes",
    "response",
    "same",
    "seconds",
    "skip",
    "story",
    "wait_until",
]
