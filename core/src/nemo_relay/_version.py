# SPDX-License-Identifier: Apache-2.0
"""The version of all distributions of this repository, and what to type to install one."""

__version__ = "0.12.0"


def install_command(extra: str, distribution: str = "nemo-relay") -> str:
    """The line that installs ``extra``.

    An index may have another package of this name, with lower versions: so the line names ours. ``dist`` is the folder
    that ``make wheels`` fills; pip passes over it where it is not there.
    """
    least = ".".join(__version__.split(".")[:2])
    return f'pip install --find-links dist "{distribution}[{extra}]>={least}"'
