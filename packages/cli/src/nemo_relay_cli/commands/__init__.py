# SPDX-License-Identifier: Apache-2.0
"""The subcommands, one module each; a module is imported when its command is run."""
