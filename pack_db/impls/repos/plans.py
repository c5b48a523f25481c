from pack_db.errors import InvalidInput

_ALLOWANCES = {"Free": 1_000, "Pro": 50_000, "Enterprise": 500_000}  # tokens


def allowance(plan_name: str) -> int:
    """Tokens that a plan grants.

    Raises:
        InvalidInput: the plan is none of ours, so the caller has to say how many.
    """
    try:
        return _ALLOWANCES[plan_name]
    except KeyError:
        raise InvalidInput(
            f"this plan has no known allowance: give token_remaining, or use one of "
            f"{', '.join(_ALLOWANCES)}"
        ) from None
