# SPDX-License-Identifier: Apache-2.0
"""Agents on real provider clients, recorded once against our scripted provider and replayed with the network dead.

``scripts/record_cassettes.py`` records, ``tests/cassettes`` replays; both play the scenes of this package.
"""
