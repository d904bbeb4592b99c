# SPDX-License-Identifier: Apache-2.0
"""A service that runs a CGI program (RFC 3875) for each request."""
import os
import subprocess
from urllib.parse import unquote

from .origin import answering


def cgi(program, environment):
    def answer(request):
        path, _, query = request.target.partition("?")
        variables = {
            **os.environ,
            **environment,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "CONTENT_TYPE": request.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(request.body)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
        }
        for name, value in request.fields:
            if name.lower() in ("content-encoding", "git-protocol", "accept-encoding"):
                variables["HTTP_" + name.upper().replace("-", "_")] = value
        done = subprocess.run([program], input=request.body, stdout=subprocess.PIPE, env=variables, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = next(
            (line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("status:")), "200 OK"
        )
        fields = [line for line in lines if not line.lower().startswith(("status:", "content-length:"))]
        out = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(out).encode("latin-1") + body

    return answering(answer)
