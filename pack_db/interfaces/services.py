from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.token_repo import TokenRepo

SERVICES: dict[str, type] = {"accounts": AccountRepo, "tokens": TokenRepo}
"""Service name -> interface. On the wire a method is named "service.method"."""
