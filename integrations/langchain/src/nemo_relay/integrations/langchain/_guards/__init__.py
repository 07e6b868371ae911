# SPDX-License-Identifier: Apache-2.0
"""Who may refuse: guardrails in front of the framework's calls, the people they ask, and what refusals become."""
