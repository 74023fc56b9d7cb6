"""The commands for Windows in deploy/README.md, run by cmd.exe, with a service that is run as WinSW would."""

import itertools
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

from platforms import needs_cmd
from service import ROOT, Service, address, environment
from signals import own_console, send

#: The commands that are not run: WinSW's, which the class WinSW replaces, and curl's.
WINSW = re.compile(r'"[^"]*\\build-admin\.exe" (\w+)$')
CURL = re.compile(r"curl\.exe .*?(http://.*)$")


def blocks() -> list[list[str]]:
    """Return the blocks of commands in the section for Windows, in order."""
    section = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8").partition("\n## Windows\n")[2]
    found = re.findall(r"^```bat\n(.*?)^```$", section.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    return [block.splitlines() for block in found]


class WinSW:
    """Starts and stops the service as WinSW's documentation says of build-admin.xml, with the tests' Python."""

    def __init__(self, file: Path) -> None:
        self._file, self.folder = file, file.parent
        self._process: Any = None

    def install(self) -> None:
        assert self._file.with_suffix(".exe").is_file()

    def start(self) -> None:
        root = xml.etree.ElementTree.parse(self._file).getroot()
        text = {element.tag: (element.text or "").replace("%BASE%", str(self._file.parent)) for element in root}
        given = {element.attrib["name"]: element.attrib["value"] for element in root.iter("env")}
        with (Path(text["logpath"]) / "build-admin.err.log").open("ab") as log:
            self._process = subprocess.Popen(
                f'"{sys.executable}" {text["arguments"]}',
                cwd=text["workingdirectory"],
                env=environment(SIGNING_KEY="") | given,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                **own_console(),
            )
        self.service = Service(address(self._process, sample=False))

    def stop(self) -> None:
        send(self._process, signal.SIGINT)
        assert self._process.wait(20) == 0
        self._process.stdout.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        if self._process:
            self._process.kill()


def cmd(script: list[str], folder: Path) -> str:
    """Run commands with cmd.exe in a folder, and return their output. Raises AssertionError if one fails."""
    file = folder / "lines.bat"
    lines = "".join(f"{line}\nif errorlevel 1 exit /b 1\n" for line in script)
    file.write_text(f"@echo off\n{lines}", encoding="oem")
    own_key = environment(SIGNING_KEY="")
    done = subprocess.run(
        ["cmd", "/d", "/c", file.name], cwd=folder, env=own_key, input=b"", capture_output=True, check=False
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout.decode("oem")


@needs_cmd
def test_the_commands_for_windows_install_upgrade_and_stop_the_service(tmp_path: Path, single_file: Path) -> None:
    def moved(text: str) -> str:
        """Replace the drive C by a folder, and the installed Python by this one."""
        return re.sub("^py ", lambda _: f'"{sys.executable}" ', text.replace("C:\\Program", f"{tmp_path}\\Program"))

    here, data = tmp_path / "here", tmp_path / "ProgramData" / "BuildAdmin" / "data"
    here.mkdir()
    (here / "build-admin.pyz").write_bytes(single_file.read_bytes())
    (here / "WinSW-x64.exe").touch()
    text = moved((ROOT / "deploy" / "windows" / "build-admin.xml").read_text(encoding="utf-8"))
    port = '<env name="BUILD_ADMIN_LISTEN" value="127.0.0.1:0" />'
    (here / "build-admin.xml").write_text(text.replace("</service>", f"{port}</service>"), encoding="utf-8")
    winsw = WinSW(tmp_path / "Program Files" / "BuildAdmin" / "build-admin.xml")
    said = ""
    try:
        for line, group in itertools.groupby(
            itertools.chain(*blocks()), key=lambda line: line if WINSW.match(line) or CURL.match(line) else ""
        ):
            if match := WINSW.match(line):
                getattr(winsw, match[1])()
            elif match := CURL.match(line):
                for url in match[1].split():
                    assert winsw.service.get(url.removeprefix("http://127.0.0.1:8080")).status == 200
            else:
                said += cmd([moved(line) for line in group], here)
        winsw.service.token = next(word for word in said.split() if word.count(".") == 2)
        assert winsw.service.create(id=1)["id"] == 1
        winsw.stop()
    finally:
        winsw.kill()
    # After a stop the store is a single file.
    assert sorted(file.name for file in data.iterdir()) == ["builds.sqlite3", "signing.key"]
    assert (data.parent / "backup.sqlite3").is_file()
    assert sorted(file.name for file in winsw.folder.iterdir()) == [
        "build-admin.exe", "build-admin.pyz", "build-admin.xml", "previous.pyz"
    ]  # fmt: skip
    assert " INFO request method=PUT " in (data.parent / "logs" / "build-admin.err.log").read_text(encoding="utf-8")
