# SPDX-License-Identifier: MIT
"""Event-driven servers of Debian's for `make bench`: what heddle must not slow down.

Each has its usual threads: memcached four event loops, haproxy two, Redis and nginx one. The server has a
CPU to itself; the load generator has the other, with the server behind haproxy.
"""

import dataclasses
import os
import shutil

ANSWER = b"a line of the file that is served, 64 bytes long with its end.\n" * 16


@dataclasses.dataclass
class Server:
    """start(directory, port, behind) writes what is needed into directory and returns the command.

    behind: the port of the server that this one passes requests on to, which start_behind() starts.
    """
    name: str
    program: str
    package: str
    protocol: str           # tests/bench/protocol.h
    start: object
    start_behind: object = None
    behind_program: str = ""

    def missing(self):
        """Why it cannot run here, or an empty string."""
        for program, package in [(self.program, self.package), (self.behind_program, "nginx")]:
            if program and found(program) is None:
                return f"{program} is not installed (Debian package {package})"
        return ""


def found(program):
    """Where it is, also where only root's PATH looks."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def memcached(_directory, port, _behind):
    return [found("memcached"), *(["-u", "root"] if os.getuid() == 0 else []),
            "-l", "127.0.0.1", "-U", "0", "-c", "4096", "-t", "4", "-p", str(port)]


def redis(directory, port, _behind):
    return [found("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--dir", directory, "--save", ""]


def nginx(directory, port, _behind=None):
    write(directory, "file", ANSWER)
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in
                        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    config = write(directory, "nginx.conf", f"""
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; {temporary}
  server {{ listen 127.0.0.1:{port} backlog=4096; root {directory}; }} }}
""")
    return [found("nginx"), "-e", f"{directory}/nginx.log", "-c", config]


def haproxy(directory, port, behind):
    config = write(directory, "haproxy.cfg", f"""
global
  nbthread 2
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  http-reuse always
  server one 127.0.0.1:{behind}
""")
    return [found("haproxy"), "-db", "-f", config]


SERVERS = [
    Server("memcached", "memcached", "memcached", "memcached", memcached),
    Server("redis", "redis-server", "redis-server", "redis", redis),
    Server("nginx", "nginx", "nginx", "http", nginx),
    Server("haproxy", "haproxy", "haproxy", "http", haproxy, nginx, "nginx"),
]
