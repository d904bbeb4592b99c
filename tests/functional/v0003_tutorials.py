#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials: each page is followed; what a story puts in the place of what the page says stands in its changes."""
import os
import pathlib
import re
import shutil

from lib import check, main, same, story
from lib.cloud import Cloud
from lib.mosquitto import Authority
from lib.sshd import Sshd
from lib.tutorial import Page

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def followed_by_curl(t, name, client_change):
    """Server, client, a request to the service."""
    service = t.origin()
    page = Page(t, name, (client_change, f"{client_change.split('=')[0]}={service.port}"))
    server = page.server()
    (page.home("home") / ".curlrc").write_text(f'connect-to = "::127.0.0.1:{server.http}"\n')
    return service, page, server


@story("webhooks at home", only="plain")
def _(t):
    service, page, server = followed_by_curl(t, "webhooks.md", "hooks=3000")
    page.client(server, "tim")
    same(page.run(), "hello\n", "the answer")
    same([(r.method, r.target, r.body) for r in service.requests], [("POST", "/github", b'{"event": "push"}')], "what the service got")
    page.over()


@story("Home Assistant", only="plain")
def _(t):
    service, page, server = followed_by_curl(t, "home-assistant.md", "home=8123")
    page.client(server, "tim")
    settings = page.file()
    check("trusted_proxies: 127.0.0.1" in settings.read_text(), "the client is the proxy")
    same(page.run(), "hello\n", "the answer")
    check("X-Forwarded-For" in {name for name, _ in service.requests[0].fields}, "what makes Home Assistant ask for the setting")
    page.over()


@story("ssh to a gateway: ssh, scp and rsync by its name, and a port", only="plain", slow=True)
def _(t):
    ssh = t.keep(Sshd(t.directory))
    config = t.directory / "workstation" / ".ssh" / "config"
    page = Page(t, "ssh.md", ("ssh=22", f"ssh={ssh.port}"), ("ssh gateway-oli", f"ssh -F {config} gateway-oli"),
                ("scp ", f"scp -q -F {config} "), ("rsync -a", f"rsync -a -e 'ssh -F {config}'"), ("-l 4444", "-l 0"), (":/srv/", f":{t.directory}/"),
                ("User oli", "\n    ".join([f"User {ssh.user('').rstrip('@')}", f"IdentityFile {ssh.directory}/user", "BatchMode yes",
                                            f"UserKnownHostsFile {t.directory}/known", "StrictHostKeyChecking accept-new",
                                            "LogLevel ERROR"])))
    server = page.server()
    key = page.run("workstation").strip()
    check(re.fullmatch(r"SHA256:\S{43}", key), f"a fingerprint: {key}")
    page.change("SHA256:...", key)
    page.run("device")
    page.client(server, "gateway-oli", "device")
    page.file("workstation")
    same(page.run("workstation"), os.uname().nodename + "\n", "what ssh says")
    work = page.home("workstation")
    (work / "notes.txt").write_text("notes\n")
    (work / "site").mkdir()
    (work / "site" / "index.html").write_text("site\n")
    page.run("workstation")
    same([(t.directory / name).read_text() for name in ("notes.txt", "site/index.html")], ["notes\n", "site\n"], "what was copied")
    check(re.match(r"gateway-oli +.* ms  ssh\n$", page.run("workstation")), "the list")
    program, found = page.start(r"gateway-oli/ssh is at \S+:(\d+)", "workstation")
    done = ssh.run("ssh", *ssh.options(f"Port={found[1]}", "HostKeyAlias=gateway-oli"), ssh.user("localhost"), "uname -n")
    same(done.decode(), os.uname().nodename + "\n", "by a local port")
    same(program.stop(), 0, "exit status after Ctrl-C")
    page.over()


AWS = """#!/usr/bin/python3
# Stands for the AWS CLI: takes the page's commands as they are, and signs as the cloud does.
import json, pathlib, shlex, shutil, sys
words = sys.argv[1:]
told = dict(zip(words[2::2], words[3::2])) if "--set-as-active" not in words else dict(zip(words[3::2], words[4::2]))
with open("{directory}/aws.log", "a") as log:
    log.write(shlex.join(words[:2]) + "\\n")
if words[:2] == ["iot", "create-policy"]:
    policy = json.loads(pathlib.Path(told["--policy-document"].removeprefix("file://")).read_text())
    sys.exit("REGION" in json.dumps(policy) or "ACCOUNT" in json.dumps(policy))
elif words[:2] == ["iot", "create-keys-and-certificate"]:
    shutil.copy("{directory}/member.crt", told["--certificate-pem-outfile"])
    shutil.copy("{directory}/member.key", told["--private-key-outfile"])
    print("arn:aws:iot:eu-central-1:123456789012:cert/1")
elif words[:2] == ["iot", "attach-policy"]:
    sys.exit(told != {{"--policy-name": "tunnels", "--target": "arn:aws:iot:eu-central-1:123456789012:cert/1"}})
elif words[:2] == ["iot", "describe-endpoint"]:
    print("localhost")
else:
    sys.exit("what?")
"""
AWS_SAID = ["iot create-policy", "iot create-keys-and-certificate", "iot attach-policy", "iot describe-endpoint"]


@story("a fleet over AWS IoT: its policy as the ACL of a broker with its ALPN, certificates and bounds", only="plain")
def _(t):
    authority = Authority(t.directory)
    authority.sign("member", "DNS:member")
    service = t.origin()
    page = Page(t, "aws-iot.md", ("web=80", f"web={service.port}"), ("-l 8080", "-l 0"),
                ("https://www.amazontrust.com/repository/AmazonRootCA1.pem", f"file://{authority.cert}"),
                programs=[("aws", AWS.format(directory=t.directory))])
    home = page.home("home")
    shutil.copy(EXAMPLES / "connect" / "aws-iot-policy.json", home)
    page.run()
    cloud = t.keep(Cloud(t.directory, authority.sign("broker", "DNS:localhost"), authority.cert, home / "policy.json"))
    page.run()
    page.change("ENDPOINT:443", f"{page.run().strip()}:{cloud.port}")
    page.file()
    same((t.directory / "aws.log").read_text().splitlines(), AWS_SAID, "what AWS was asked")
    page.change("SHA256:...", page.run().strip())
    page.run()
    page.start("connected to")
    check(re.match(r"gateway-7 +.* ms  ssh web\n$", page.run()), "the list")
    _, found = page.start(r"gateway-7/web is at \S+:(\d+)")
    page.change("localhost:8080", f"localhost:{found[1]}")
    same(page.run(), "hello\n", "the answer")
    same(cloud.check(), {"iot:Subscribe", "iot:Receive", "iot:Publish", "iot:RetainPublish"}, "what was done")
    page.over()


main()
