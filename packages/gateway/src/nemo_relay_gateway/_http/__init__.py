# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 on asyncio Protocols, parsed by llhttp: connections of clients, connections to providers, no runtime."""
