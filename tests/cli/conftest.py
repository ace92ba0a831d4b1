"""The world of the tests in this folder."""

from tests.support.worlds import shared, stage

__all__ = ["shared", "stage"]
