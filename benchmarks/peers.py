"""Every peer, in the order of the tables."""

from benchmarks.adapter import Adapter
from benchmarks.adapters.echo import Echo
from benchmarks.adapters.fastapi import FastApi
from benchmarks.adapters.grpc import Grpc
from benchmarks.adapters.in_process import PeeweeInProcess, PreparedSqlite
from benchmarks.adapters.pack_db import PackDbDaemon, PackDbWithWorkers
from benchmarks.adapters.postgres import Postgres
from benchmarks.adapters.pyro5 import Pyro5
from benchmarks.adapters.redis import Redis
from benchmarks.adapters.rpyc import Rpyc
from benchmarks.adapters.sqlite_rx import SqliteRx
from benchmarks.adapters.starlette import Starlette
from benchmarks.adapters.zerorpc import Zerorpc

_ALL: tuple[type[Adapter], ...] = (
    Echo,
    PreparedSqlite,
    PeeweeInProcess,
    PackDbDaemon,
    PackDbWithWorkers,
    Redis,
    Postgres,
    Pyro5,
    Rpyc,
    SqliteRx,
    Starlette,
    FastApi,
    Grpc,
    Zerorpc,
)
PEERS = {peer.name: peer for peer in _ALL}

QUICK = (Echo.name, PreparedSqlite.name, PeeweeInProcess.name, PackDbDaemon.name)
"""What runs with pack-db's own requirements."""
