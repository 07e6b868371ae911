# SPDX-License-Identifier: Apache-2.0
"""Amazon Bedrock Converse: request, response, stream."""
