# SPDX-License-Identifier: Apache-2.0
"""Where events wait for their destination: in memory, or on disk where they survive the process."""
