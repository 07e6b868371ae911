# SPDX-License-Identifier: Apache-2.0
"""Ways to a destination: OTLP over HTTP and gRPC, files, the console, and exporters of the application's own."""
