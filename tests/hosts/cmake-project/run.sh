#!/bin/sh
# Installs libaet below a path with spaces, moves the installation, and builds and runs the consumer project there.
#
#   run.sh WORK_FOLDER [FOLDER_WITH_BUILT_LIBRARIES]
#
# Without the second argument the libraries are built by cargo.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$(CDPATH='' cd -- "$here/../../.." && pwd)
mkdir -p "$1"
work="$(CDPATH='' cd -- "$1" && pwd)/a path with spaces"
prebuilt=""
if [ $# -gt 1 ]; then prebuilt=$(CDPATH='' cd -- "$2" && pwd); fi

rm -rf "$work"
mkdir -p "$work"
cmake -S "$source" -B "$work/library" -DCMAKE_INSTALL_PREFIX="$work/first place" -DAET_PREBUILT_DIR="$prebuilt"
cmake --build "$work/library"
cmake --install "$work/library"
mv "$work/first place" "$work/second place"

cp -R "$here" "$work/consumer"
cmake -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_PREFIX_PATH="$work/second place"
cmake --build "$work/consumer/build"
ctest --test-dir "$work/consumer/build" --output-on-failure

# pkg-config without CMake, as a makefile calls it.
library=$(dirname "$(find "$work/second place" -name 'aet.pc')")
flags=$(PKG_CONFIG_PATH="$library" pkg-config --cflags --libs aet)
eval "${CC:-cc} -std=c99 \"$here/main.c\" -o \"$work/plain\" $flags"
LD_LIBRARY_PATH="$library/.." "$work/plain"
