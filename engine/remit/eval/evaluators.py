"""Which evaluator answers here: the one place that chooses."""

from __future__ import annotations

from remit.eval.budget import EVALUATION_BYTES_MAX
from remit.eval.evaluator import Evaluator
from remit.eval.native import NativeEvaluator
from remit.eval.plain import PlainEvaluator
from remit.graph.native import available


def quickest_evaluator(bytes_max: int = EVALUATION_BYTES_MAX) -> Evaluator:
    """The core's, with Python's behind it; Python's alone where the core was not built, or is switched off.
    `bytes_max`: what Python may remember of a question."""
    plain = PlainEvaluator(bytes_max)
    return NativeEvaluator(plain) if available() else plain
