# SPDX-License-Identifier: Apache-2.0
"""Who takes part: the registrations, global and owned by scopes, and the gates that switch them off."""
