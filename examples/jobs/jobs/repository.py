import time
from collections.abc import Sequence
from dataclasses import replace

import peewee

from jobs.interface import Job, JobQueue, LeaseLost
from pack_db import DatabaseConnection


class Jobs(peewee.Model):
    id = peewee.AutoField()
    payload = peewee.TextField()
    attempt = peewee.IntegerField(default=0)
    due_at = peewee.DoubleField(index=True)  # Unix seconds; of one that is claimed: its lease's end


class PeeweeJobQueue(JobQueue):
    def __init__(self, database: DatabaseConnection) -> None:
        database.bind(Jobs)
        self._database = database

    def enqueue(self, payload: str, delay_s: float = 0) -> int:
        return int(Jobs.create(payload=payload, due_at=time.time() + delay_s).id)

    def claim(self, lease_s: float = 60) -> Job | None:
        now = time.time()
        with self._database.transaction():
            while found := self._longest_due(now):
                job = Job(found.id, found.payload, found.attempt)
                claimed = Jobs.update(attempt=job.attempt + 1, due_at=now + lease_s)
                if self._is_done(claimed, job):  # else another host was faster
                    return replace(job, attempt=job.attempt + 1)
        return None

    def complete(self, job: Job, followed_by: Sequence[str] = ()) -> None:
        with self._database.transaction():
            if not self._is_done(Jobs.delete(), job):
                raise LeaseLost(f"job {job.id} was claimed by somebody else, or is done")
            for payload in followed_by:
                self.enqueue(payload)

    def retry(self, job: Job, delay_s: float = 0) -> None:
        if not self._is_done(Jobs.update(due_at=time.time() + delay_s), job):
            raise LeaseLost(f"job {job.id} was claimed by somebody else, or is done")

    def _longest_due(self, now: float) -> Jobs | None:
        due = Jobs.select().where(Jobs.due_at <= now).order_by(Jobs.due_at, Jobs.id)
        found: Jobs | None = due.first()
        return found

    def _is_done(self, change: peewee.Update | peewee.Delete, job: Job) -> bool:
        return bool(change.where(Jobs.id == job.id, Jobs.attempt == job.attempt).execute())
