from pack_db_client import PackDb


def consumed(db: PackDb, account_id: str) -> list[int]:
    """The amounts of all consumptions of an account, in order."""
    amounts: list[int] = []
    after = 0
    while page := db.tokens.list_entries(account_id, after, 500):
        amounts += [-entry.amount for entry in page if entry.kind == "consumption"]
        after = page[-1].number
    return amounts
