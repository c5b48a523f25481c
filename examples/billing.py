"""A billing job: books the payments that it reads, and says what became of each.

    python examples/billing.py < payments.csv

Each line is an e-mail address and the tokens bought: `ada@example.com,5000`. All payments are
booked in one message and one commit; one that cannot be booked does not stop the others.
"""

import csv
import sys

from pack_db_client import PackDb, PackDbError


def main() -> int:
    with PackDb() as db:
        results = []
        refused = 0
        with db.batch() as batch:
            for email, tokens in csv.reader(sys.stdin):
                account = db.accounts.get_account_by_email(email)
                if account is None:
                    refused += 1
                    print(f"{email}: no account has this e-mail address")
                else:
                    results.append((email, batch.submit(db.tokens.top_up, account.id, int(tokens))))
        for email, result in results:
            try:
                print(f"{email}: {result.result().total} tokens")
            except PackDbError as error:
                refused += 1
                print(f"{email}: {error}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
