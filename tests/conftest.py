"""Test files import what they share (`checking`) from this folder."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
pytest.register_assert_rewrite("checking")
