"""Which evaluator answers here: the one place that chooses."""

from __future__ import annotations

from remit.eval.evaluator import Evaluator
from remit.eval.native import NativeEvaluator
from remit.eval.plain import PlainEvaluator
from remit.graph.native import available


def quickest_evaluator() -> Evaluator:
    """The core's, with Python's behind it; Python's alone where the core was not built, or is switched off."""
    plain = PlainEvaluator()
    return NativeEvaluator(plain) if available() else plain
