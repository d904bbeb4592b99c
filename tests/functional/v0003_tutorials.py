#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials: each page is followed; what a story puts in the place of what the page says stands in its changes."""
import json
import os
import pathlib
import re
import shutil
import threading

from lib import check, main, response, same, seconds, skip, story, wait_until
from lib.brokers import free_port
from lib.browser import FOLDER, needs_browser, visit
from lib.cloud import Cloud
from lib.mosquitto import Authority
from lib.nats import BINARY as NATS
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


OFFLINE = {"npm_config_offline": "true", "npm_config_update_notifier": "false", "NEXT_TELEMETRY_DISABLED": "1",
           "NO_COLOR": "1"}  # what is said is read: a machine that sets CI has it in colours else


def dev_server(t, part, modules, files, command, says, *changes):
    """Two edits of the first file reach the page in Chromium without a reload."""
    needs_browser()
    name, port = part.partition(".")[0].lower(), free_port()
    if not (modules / name).exists():
        skip(f"npm install in tests/functional/{modules.parent.name}")
    page = Page(t, "dev-servers.md", *changes, (command, f"{command} --port {port}"), part=part)
    server = page.server()
    for file, text in files.items():
        (page.home("home") / file).parent.mkdir(exist_ok=True)
        (page.home("home") / file).write_text(text)
    (page.home("home") / "node_modules").symlink_to(modules)
    page.file()
    page.variables.update(OFFLINE)
    page.start(says, limit=120)[0].exit_matters = False
    page.change(page.blocks[0][2].split()[-1], f"{name}={port}")
    page.client(server, "tim")
    host = f"{name}--tim.example.com"
    check(f"`http://{host}:8000/`" in page.text, "the page says the address")
    wait_until(lambda: server.ask(host=host, timeout=90).status == 200, "the page is compiled", 180)
    visit("dev server", f"http://{host}:{server.http}/", page.home("home") / next(iter(files)))
    page.over()


@story("a dev server: Vite, an edit reaches the page in Chromium without a reload", slow=True)
def _(t):
    dev_server(t, "Vite", FOLDER / "node_modules", {
        "value.js": "export const value = 'one';\n",
        "index.html": '<!doctype html><body><p id="out"></p><script type="module" src="/main.js"></script>\n',
        "main.js": "import { value } from './value.js';\n"
                   "const show = value => { document.getElementById('out').textContent = 'value: ' + value; };\n"
                   "show(value);\n"
                   "if (import.meta.hot) import.meta.hot.accept('./value.js', module => show(module.value));\n",
    }, "npx vite", r"http://localhost:\d+", ("server: {", "cacheDir: '.vite', server: {"))


@story("a dev server: Next.js, an edit reaches the page in Chromium without a reload", only="plain", slow=True)
def _(t):
    # Nothing below the root is read but what the page imports: React is not below the story's directory.
    dev_server(t, "Next.js", FOLDER.with_name("next") / "node_modules", {
        "app/page.js": "export default function Page() { return <p>value: one</p>; }\n",
        "app/layout.js": "export default function Layout({ children }) { return <html><body>{children}</body></html>; }\n",
    }, "npx next dev", "Ready in", ("allowedDevOrigins:", "turbopack: { root: '/' }, allowedDevOrigins:"))


@story("ssh to a gateway: ssh, scp and rsync by its name, and a port", only="plain", slow=True)
def _(t):
    ssh = t.keep(Sshd(t.directory))
    config = t.directory / "workstation" / ".ssh" / "config"
    page = Page(t, "ssh.md", ("ssh=22", f"ssh={ssh.port}"), ("ssh gateway-oli", f"ssh -F {config} gateway-oli"),
                ("scp ", f"scp -q -F {config} "), ("rsync -a", f"rsync -a -e 'ssh -F {config}'"), ("-l 4444", "-l 0"),
                (":/srv/", f":{t.directory}/"),
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
words = [word for word in words if word != "--set-as-active"]
told = dict(zip(words[2::2], words[3::2]))
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


def names(t, page, nodes):
    """What stands for the hosts' names: ports of this machine."""
    cert, key = Authority(t.directory).sign("broker", "IP:127.0.0.1")
    for old, new in (("/etc/nats/fullchain.pem", cert), ("/etc/nats/privkey.pem", key),
                     ("/var/lib/mdm-tunnel", "$XDG_STATE_HOME/mdm-tunnel"),
                     ("$n.example.com:/var/lib/", f"{t.directory}/$n/.local/state/"), ("second:", f"{t.directory}/second/"),
                     ('"admin": "9090"', '"admin": "0"'),
                     ('"password_file": "password"', f'"password_file": "password", "ca_cert": "{t.directory}/ca.crt"')):
        page.change(old, new)
    for node in nodes:
        page.change(f"nats://{node}.example.com:6222", f"nats://127.0.0.1:{free_port()}")
        page.change(f"mqtts://{node}.example.com", f"mqtts://127.0.0.1:{free_port()}")
    for machine in (*nodes, "second"):
        (page.home(machine) / ".local" / "state").mkdir(parents=True)


def on(page, nodes, what):
    """The next block on each of these."""
    for number, node in enumerate(nodes):
        if number:
            page.again()
        yield what(node)


def nats_file(t, page, node):
    page.change("4222", free_port())
    for listen, url in (("0.0.0.0:6222", f"nats://{node}.example.com:6222"), ("0.0.0.0:8883", f"mqtts://{node}.example.com")):
        page.change(listen, page.changes[url].split("//")[1])
    page.change('"/var/lib/nats"', f'"{t.directory}/{node}/data"')
    page.file(node)


def nats(page, node):
    page.change("NODE=n1 nats-server", f"NODE={node} {NATS}")
    program, _ = page.start("Server is ready", node)
    program.exit_matters = False


def settings(page, node):
    """The node's own broker first, as the page proposes it."""
    path = page.file(node)
    if "admin" in path.read_text():
        own = page.changes[f"mqtts://{node}.example.com"]
        said = json.loads(path.read_text())
        said["broker"] = ",".join([own, *(url for url in said["broker"].split(",") if url != own)])
        path.write_text(json.dumps(said))
    password = path.with_name("password")
    password.write_text("change this, too" if node in ("home", "second") else "change this")
    password.chmod(0o600)


def ask(server):
    with server.visit() as visitor:
        return visitor.ask(host="hello--tim.example.com").body


@story("a cluster: three servers on three nodes of NATS, two machines with weights, one server drained", only="plain", slow=True)
def _(t):
    if NATS is None:
        skip("nats-server is not installed")
    nodes = ["n1", "n2", "n3"]
    asked, release = threading.Event(), threading.Event()

    def machine(name):
        def answer(request):
            if request.target == "/slow":
                asked.set()
                release.wait(seconds(60))
            return response(200, name)

        return t.origin(answer)

    origins = [machine(b"one\n"), machine(b"two\n")]
    page = Page(t, "cluster.md")
    names(t, page, nodes)
    list(on(page, nodes, lambda node: nats_file(t, page, node)))
    list(on(page, nodes, lambda node: nats(page, node)))
    key = page.run("n1")
    list(on(page, nodes, lambda node: settings(page, node)))
    servers = list(on(page, nodes, lambda node: page.server(node)))
    check(all(key.strip() in server.log for server in servers), "one key")
    list(on(page, ["home", "second"], lambda machine: settings(page, machine)))
    page.change("hello=9000", f"hello={origins[0].port}")
    page.start("session with")
    page.run()
    page.change("hello=9000", f"hello={origins[1].port}")
    page.start("session with", "second")
    for server in servers:
        wait_until(lambda: {ask(server) for _ in range(8)} == {b"one\n", b"two\n"}, "both machines serve", 30)
        seen = [ask(server) for _ in range(40)]
        check(abs(seen.count(b"one\n") - 30) <= 2 and seen.count(b"two\n") == 40 - seen.count(b"one\n"), f"three of four: {seen}")
    (page.home("home") / ".curlrc").write_text(f'connect-to = "::127.0.0.1:{servers[1].http}"\n')
    check(page.run() in ("one\n", "two\n"), "the answer")
    with servers[2].visit(timeout=60) as visitor:
        visitor.send(b"GET /slow HTTP/1.1\r\nHost: hello--tim.example.com\r\n\r\n")
        check(asked.wait(seconds(20)), "the slow request is under way")
        page.change("127.0.0.1:9090", f"127.0.0.1:{re.search('the page is at port ([0-9]+)', servers[2].log)[1]}")
        page.run("n3")
        release.set()
        check(visitor.read_response().body in (b"one\n", b"two\n"), "what was under way is answered")
    same(servers[2].wait_exit(), 0, "exit status of the server that leaves")
    check({ask(server) for server in servers[:2] for _ in range(8)} == {b"one\n", b"two\n"}, "the others serve as before")
    page.over()


main()
