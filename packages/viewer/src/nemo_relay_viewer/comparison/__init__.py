# SPDX-License-Identifier: Apache-2.0
"""What is different between two runs, by structure: steps, arguments, results, prompts, tokens, cost, time."""

from .align import Change, RunDiff, diff
from .rules import Rules, RulesError

__all__ = ["Change", "Rules", "RulesError", "RunDiff", "diff"]
