def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}"
