# SPDX-License-Identifier: Apache-2.0
"""Managed calls: the framework's model, tool and embedding calls on their way through the runtime."""
