import pytest

# Else what they assert fails without the values.
pytest.register_assert_rewrite("tests.support")
