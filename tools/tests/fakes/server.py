# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for virtiofsd: takes its arguments and misbehaves as its own file name says.

fake-server-ok, fake-server-exits, fake-server-ignores: symbolic links to this file.
"""

import socket
import sys
from pathlib import Path

behaviour = Path(sys.argv[0]).name.rsplit("-", 1)[-1]
options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if "=" in word)
print(f"serving {options['shared-dir']}", file=sys.stderr, flush=True)
if behaviour == "exits":
    sys.exit(7)
listener = socket.socket(fileno=int(options["fd"]))
if behaviour == "ignores":
    sys.stdin.read()
    socket.socketpair()[0].recv(1)
connection, _ = listener.accept()
print("connected", file=sys.stderr, flush=True)
connection.recv(1)
