#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Debian packages: built from what is in the repository, and what is in them."""
import os
import pathlib
import re
import shutil
import subprocess

from lib import check, main, same, skip, story
from lib.load import BIG
from lib.program import BUILD

TOP = pathlib.Path(__file__).resolve().parents[2]
SHARE = "usr/share"
WANTED = {
    "mdm-tunnel-server": [
        "usr/bin/mdm-tunnel-server", "lib/systemd/system/mdm-tunnel-server.service", "usr/lib/sysusers.d/mdm-tunnel-server.conf",
        "usr/lib/tmpfiles.d/mdm-tunnel-server.conf", f"{SHARE}/man/man8/mdm-tunnel-server.8.gz",
        f"{SHARE}/bash-completion/completions/mdm-tunnel-server"],
    "mdm-tunnel-client": [
        "usr/bin/mdm-tunnel-client", "lib/systemd/system/mdm-tunnel-client.service", "usr/lib/systemd/user/mdm-tunnel-client.service",
        "usr/lib/sysusers.d/mdm-tunnel-client.conf", f"{SHARE}/man/man1/mdm-tunnel-client.1.gz",
        f"{SHARE}/man/man5/mdm-tunnel-services.5.gz", f"{SHARE}/zsh/vendor-completions/_mdm-tunnel-client"],
    "mdm-tunnel-connect": [
        "usr/bin/mdm-tunnel-connect", f"{SHARE}/man/man1/mdm-tunnel-connect.1.gz",
        f"{SHARE}/fish/vendor_completions.d/mdm-tunnel-connect.fish", f"{SHARE}/doc/mdm-tunnel-connect/examples/mosquitto.acl"],
    "mdm-tunnel-proxy": [
        "usr/bin/mdm-tunnel-proxy", "lib/systemd/system/mdm-tunnel-proxy.service", "usr/lib/sysusers.d/mdm-tunnel-proxy.conf",
        "usr/lib/tmpfiles.d/mdm-tunnel-proxy.conf", f"{SHARE}/man/man8/mdm-tunnel-proxy.8.gz"],
    "mdm-tunnel-dev": ["usr/include/mdm-tunnel/hook.h", f"{SHARE}/man/man3/mdm-tunnel-hook.3.gz",
                       f"{SHARE}/doc/mdm-tunnel-dev/examples/simple.c"],
}


def run(*command, **rest):
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          **rest)


def done(*command, **rest):
    result = run(*command, **rest)
    same(result.returncode, 0, f"{command[0]}: {result.stdout[-3000:]}")
    return result.stdout


def sources(directory):
    """As in a clean clone, with what is not committed yet."""
    if not (TOP / ".git").exists():
        skip("no repository here")
    directory.mkdir()
    for name in done("git", "-C", TOP, "ls-files", "-z").split("\0")[:-1]:
        if (TOP / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, directory / name)
    return directory


# In place of gcc. What is in the repository as it was built for the tests is not compiled once more, but for the programs' main.c.
COMPILER = f"""#!/bin/sh
for word; do
    [ "$before" = -o ] && object=$word
    before=$word
done
case $object in
src/*/main.o) ;;
src/*.o) [ "{BUILD}/$object" -nt "{TOP}/${{object%o}}c" ] && exec cp "{BUILD}/$object" "$object" ;;
esac
exec gcc "$@"
"""


def environment(t):
    """Debian's own, but for what takes long and says nothing about the packages; the big run compiles all of it."""
    found = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck noautodbgsym parallel=2", "DEB_LDFLAGS_APPEND": "-Wl,--strip-debug",
             "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
    if not BIG:
        compiler = t.directory / "cc"
        compiler.write_text(COMPILER)
        compiler.chmod(0o755)
        found["CC"] = str(compiler)
    return found


@story("dpkg-buildpackage in a clean clone: every program with its unit, manual and completion; lintian is content",
       only="plain", slow=True)
def _(t):
    if not (shutil.which("dpkg-buildpackage") and shutil.which("dh")):
        skip("debhelper is not installed")
    source = sources(t.directory / "source")
    done("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source, env=environment(t))
    root = t.directory / "root"
    root.mkdir()
    built = {path.name.split("_")[0]: path for path in t.directory.glob("*.deb")}
    same(set(built), set(WANTED), "packages")
    for name, path in built.items():
        done("dpkg-deb", "-x", path, root / name)
        for file in WANTED[name]:
            check((root / name / file).is_file(), f"{name} has {file}")
        if (root / name / "usr/bin").exists():
            check("mdm-tunnel" in done(root / name / "usr/bin" / name, "--version"), f"{name} starts")
            same([p.name for p in (root / name / "usr/bin").iterdir()], [name], "programs of the package")
    for name in ("mdm-tunnel-server", "mdm-tunnel-client", "mdm-tunnel-proxy"):
        unit = (root / name / "lib/systemd/system" / f"{name}.service").read_text()
        check(f"ExecStart=/usr/bin/{name} " in unit, "the unit starts the program that is installed")
    users = root / "users"
    if shutil.which("systemd-sysusers"):
        (users / "etc").mkdir(parents=True)
        configs = [root / f"mdm-tunnel-{n}/usr/lib/sysusers.d/mdm-tunnel-{n}.conf" for n in ("server", "client", "proxy")]
        done("systemd-sysusers", f"--root={users}", *configs)
        made = re.findall(r"^([^:]+):", (users / "etc/passwd").read_text(), re.M)
        check({"mdm-tunnel-server", "mdm-tunnel-client", "mdm-tunnel-proxy"} <= set(made), f"users that were made: {made}")
    if shutil.which("lintian"):
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", *t.directory.glob("*.changes"))
        same((said.returncode, said.stdout), (0, ""), "lintian")


main()
