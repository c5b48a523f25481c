class ConstraintViolated(Exception):
    """A row would break a constraint of its table; the repository knows what that means."""
