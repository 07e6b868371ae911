# SPDX-License-Identifier: Apache-2.0
"""The published package's defects E-01 to E-19, as far as Deep Agents shows them: ours has none of them."""

from __future__ import annotations

from .test_delegation import (  # noqa: F401
    test_s51_parallel_subagents_on_every_path as test_e02_parallel_subagents_do_not_nest,
)
from .test_guardrails import (  # noqa: F401
    no_search,
    nothing_ran,
)
from .test_guardrails import (  # noqa: F401
    test_s52_all_paths_at_once as test_e03_no_path_around_a_guardrail,
)
from .test_guardrails import (  # noqa: F401
    test_s52_the_edit_of_a_human_is_checked as test_e12_a_guardrail_checks_what_a_human_put_in_its_place,
)
from .test_reviews import (  # noqa: F401
    test_s53_each_decision as test_e12_a_resumption_is_told_with_its_decisions,
)
