# SPDX-License-Identifier: Apache-2.0
"""What a model costs: catalogues, their configuration, the table that is active, and what a response cost."""
