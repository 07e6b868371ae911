# SPDX-License-Identifier: Apache-2.0
"""OCI Generative AI chat, in its generic and its Cohere format: request, response, stream."""
