# SPDX-License-Identifier: Apache-2.0
"""Agent hosts, one module each: how their hooks read, how they take an answer, what their requests say of themselves.

A host is three functions: ``read`` makes a `HookEvent` of a payload, ``write`` makes the host's own answer of a
verdict, and ``origins`` finds the session and subagent in the headers of a provider request.
"""
