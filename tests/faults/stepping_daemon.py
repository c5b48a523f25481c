"""A daemon whose wall clock is ahead by the seconds in the file `step` beside its database."""

import time
from pathlib import Path

from pack_db.impls.service_factory import ServiceFactory
from pack_db_daemon.daemon import serve


def _step_the_clock(step: Path) -> None:
    true_time = time.time

    def stepped_time() -> float:
        return true_time() + (float(step.read_text()) if step.exists() else 0)

    time.time = stepped_time


if __name__ == "__main__":
    factory = ServiceFactory.get_instance()
    _step_the_clock(factory.get_config().database_path.with_name("step"))
    try:
        serve(factory)
    finally:
        ServiceFactory.reset()
