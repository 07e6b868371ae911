# SPDX-License-Identifier: Apache-2.0
"""Secrets, recognised by the name they go by or by how they look, and masked in what observers get."""
