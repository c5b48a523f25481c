"""Every peer, in the order of the tables."""

from benchmarks.adapter import Adapter
from benchmarks.adapters.echo import Echo
from benchmarks.adapters.pack_db import (
    PackDbDaemon,
    PackDbForgetful,
    PackDbInProcess,
    PackDbOneWorker,
)
from benchmarks.adapters.pack_db_on_postgres import PackDbOnPostgres
from benchmarks.adapters.postgres import Postgres, PostgresSameWork
from benchmarks.adapters.pyro5 import Pyro5
from benchmarks.adapters.redis import Redis
from benchmarks.adapters.rpyc import Rpyc
from benchmarks.adapters.sqlite3 import PreparedSqlite
from benchmarks.adapters.sqlite_rx import SqliteRx

_ALL: tuple[type[Adapter], ...] = (
    PackDbDaemon,
    PackDbOneWorker,
    PackDbForgetful,
    PackDbInProcess,
    PackDbOnPostgres,
    Echo,
    PreparedSqlite,
    Redis,
    Postgres,
    PostgresSameWork,
    SqliteRx,
    Rpyc,
    Pyro5,
)
PEERS = {peer.name: peer for peer in _ALL}

QUICK = (PackDbDaemon.name, PackDbInProcess.name, PreparedSqlite.name)
"""What runs with pack-db's own requirements."""
