# SPDX-License-Identifier: Apache-2.0
"""The configuration of the ``observability`` component: its tables, older forms of it, and what is wrong with one."""
