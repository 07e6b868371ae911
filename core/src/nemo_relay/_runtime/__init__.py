# SPDX-License-Identifier: Apache-2.0
"""The engine. Nothing in here is public; the modules beside this package are."""
