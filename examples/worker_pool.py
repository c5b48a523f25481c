"""Processes that do jobs until there are none: `python worker_pool.py 4 jobs.txt`."""

import os
import sys
from multiprocessing import get_context
from pathlib import Path

from jobs.interface import JobQueue

from pack_db_client import PackDb


def work(queue: JobQueue) -> None:
    while job := queue.claim(lease_s=60):
        print(f"{job.payload} by {os.getpid()}", flush=True)
        queue.complete(job)


def main(workers: int, jobs: list[str]) -> int:
    with PackDb() as db:
        queue = db.service("jobs", JobQueue)
        with db.batch() as batch:
            for job in jobs:
                batch.submit(queue.enqueue, job)
        # The client that a child inherits connects anew, and leaves its parent's connections alone.
        pool = [get_context("fork").Process(target=work, args=[queue]) for _ in range(workers)]
        for worker in pool:
            worker.start()
        for worker in pool:
            worker.join()
    return 1 if any(worker.exitcode for worker in pool) else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]).read_text().split()))
