# SPDX-License-Identifier: Apache-2.0
"""Starting a host or a program with a gateway beside it: what it is given, how it runs, what is left when it ends."""
