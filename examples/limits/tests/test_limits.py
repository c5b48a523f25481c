import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from limits.factory import LimitsFactory
from limits.interface import LimitReached

from pack_db import Config


def test_a_key_gets_so_much_in_a_window(tmp_path: Path) -> None:
    factory = LimitsFactory(Config({"DB_PATH": str(tmp_path / "limits.db"), **os.environ}))
    factory.get_database_connection().run_migrations()
    limiter: Any = factory.get_services()["limits"]
    key = str(uuid.uuid4())
    assert [limiter.take(key, 3, 86_400) for _ in range(3)] == [2, 1, 0]
    for _ in range(2):
        with pytest.raises(LimitReached) as caught:
            limiter.take(key, 3, 86_400)
        assert 0 < caught.value.retry_after_s <= 86_400
    assert limiter.take(key, 5, 86_400) == 1  # what was refused was not taken
    assert limiter.take(key, 10, 1, amount=10) == 0
    factory.close()
