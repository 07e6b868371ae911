# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay plugins edit``: a form in the terminal for every component that describes itself with a JSON Schema.

`schema` reads the schemas, `pages` says what stands on a page and what choosing it does, `screens` draws pages.
"""
