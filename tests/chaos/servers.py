import random
import time
from collections.abc import Mapping

from tests.support.postgres_server import PostgresPair


class Servers:
    """What may happen to the database of the daemons, a primary and its synchronous standby.

    Each ends with both of them running again, maybe with changed roles.
    """

    EVENTS: Mapping[str, int] = {
        "kill the server": 8,
        "restart the server": 5,
        "suspend the server": 5,
        "end all sessions": 7,
        "fail over": 4,
    }

    def __init__(self, pair: PostgresPair, chance: random.Random) -> None:
        self._pair = pair
        self._random = chance
        pair.primary.execute("CREATE DATABASE chaos")
        self.url = pair.url("chaos")

    def do(self, event: str) -> None:
        primary = self._pair.primary
        match event:
            case "kill the server":
                primary.kill()
                self._pause()
                primary.start()
            case "restart the server":
                primary.stop(self._random.choice(("fast", "immediate")))
                self._pause()
                primary.start()
            case "suspend the server":
                primary.suspend()
                self._pause()
                primary.resume()
            case "end all sessions":
                primary.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'pack-db'"
                )
            case "fail over":
                self._pair.fail_over()
                self._pause()
                self._follow_the_survivor()

    def _pause(self) -> None:
        time.sleep(self._random.uniform(0.0, 1.0))

    def _follow_the_survivor(self) -> None:
        lost, survivor = self._pair.primary, self._pair.standby
        survivor.stop()  # its files are copied
        lost.clean_up()
        lost.become_standby_of(survivor)
        survivor.settings["synchronous_standby_names"] = lost.settings.pop(
            "synchronous_standby_names"
        )
        survivor.start()
        lost.start()
        self._pair.primary, self._pair.standby = survivor, lost
        self._pair.wait_until_synchronous()
