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


def lend(source):
    """What was built for the tests from the same sources is not compiled once more, but for the programs' main.c. The big run compiles
    everything, with Debian's flags."""
    for file in (source / "src").glob("*/*.c"):
        name = file.relative_to(source).with_suffix(".o")
        there = BUILD / name
        if not BIG and file.name != "main.c" and there.exists() and there.stat().st_mtime > (TOP / name.with_suffix(".c")).stat().st_mtime:
            folder = source / "build/debian" / name.parent
            if not folder.exists():
                (folder / ".deps").mkdir(parents=True)
                (folder / ".dirstamp").touch()  # older than the objects, or make would make them
                (folder / ".deps" / ".dirstamp").touch()
            shutil.copy(there, folder / name.name)


# What takes long and says nothing about the packages.
QUICK = {"DEB_BUILD_OPTIONS": "nocheck noautodbgsym parallel=2", "DEB_LDFLAGS_APPEND": "-Wl,--strip-debug",
         "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}


@story("dpkg-buildpackage in a clean clone: every program with its unit, manual and completion; lintian is content",
       only="plain", slow=True)
def _(t):
    if not (shutil.which("dpkg-buildpackage") and shutil.which("dh")):
        skip("debhelper is not installed")
    source = sources(t.directory / "source")
    done("debian/rules", "clean", cwd=source)
    lend(source)
    done("dpkg-buildpackage", "-us", "-uc", "-b", "-nc", cwd=source, env={**os.environ, **QUICK})
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
