"""What is asked of every peer, and how."""

from enum import StrEnum

IN_FLIGHT = 64
CLIENT_PROCESSES = 8


class Operation(StrEnum):
    GET = "get"  # read all fields of a random account
    CONSUME = "consume"  # take one token off a random account, in one atomic step
    CREATE = "create"  # add an account


class Durability(StrEnum):
    """What an acknowledged write survives."""

    DURABLE = "durable"  # a power failure
    RELAXED = "relaxed"  # a crash of the server; a power failure loses the last writes

    @property
    def synchronous(self) -> str:
        """SQLite's setting for it."""
        return "FULL" if self is Durability.DURABLE else "NORMAL"


class Shape(StrEnum):
    """Who calls."""

    ONE_CLIENT = "1"
    CLIENT_PROCESSES = "8"
    IN_FLIGHT = "64"

    @property
    def description(self) -> str:
        return {
            Shape.ONE_CLIENT: "1 client",
            Shape.CLIENT_PROCESSES: f"{CLIENT_PROCESSES} client processes",
            Shape.IN_FLIGHT: f"{IN_FLIGHT} calls in flight",
        }[self]

    @property
    def processes(self) -> int:
        return CLIENT_PROCESSES if self is Shape.CLIENT_PROCESSES else 1
