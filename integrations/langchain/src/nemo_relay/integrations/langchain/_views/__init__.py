# SPDX-License-Identifier: Apache-2.0
"""What observers see of the framework's objects: messages, requests, answers and states."""
