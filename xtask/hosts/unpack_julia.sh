#!/usr/bin/env bash
# Unpacks Julia 1.5.3 of Debian 11 into a private folder. The system and its package sources are not touched, no
# rights are needed. Fetches about 75 MB, takes 360 MB on disk.
#
# usage: unpack_julia.sh PREFIX      then: PREFIX/julia ARGUMENTS...
set -euo pipefail

[ -z "$(ls -A "$1" 2>/dev/null)" ] || { echo "$1 is not empty" >&2; exit 1; }
prefix=$(mkdir -p "$1" && cd "$1" && pwd)
work=$prefix/.apt
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs}
trap 'rm -rf "$work"' EXIT

[ "$(dpkg --print-architecture)" = amd64 ] || { echo "only for amd64" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || { echo "no keyring of the Debian archive" >&2; exit 1; }

# The archive is the one that this machine uses itself.
archive=$(awk '/^URIs:/ { print $2 }' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep '/debian/*$' | head -n 1 || true)
if [ -z "$archive" ]; then
  archive=$(grep -hE '^deb ' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
fi
[ -n "$archive" ] || { echo "no Debian archive among the package sources" >&2; exit 1; }

echo "deb [signed-by=$keyring] $archive bullseye main" >"$work/sources.list"
apt_options=(
  -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o Dir::State::status=/dev/null
  -o APT::Sandbox::User=root -o Acquire::http::Timeout=30
)
apt-get "${apt_options[@]}" update -qq

# Everything Julia depends on except what any running system has, and must not have twice.
mapfile -t packages < <(
  apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances julia |
    grep '^[a-z0-9]' | sort -u |
    grep -vE '^(libc6|libgcc-s1|libstdc\+\+6|gcc-10-base|libcrypt1|debconf.*|cdebconf.*|perl.*|dpkg|tar|install-info)$'
)
(cd "$work/debs" && apt-get "${apt_options[@]}" download -qq "${packages[@]}")
for package in "$work"/debs/*.deb; do
  dpkg -x "$package" "$prefix"
done

cat >"$prefix/julia" <<'WRAPPER'
#!/usr/bin/env bash
p=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lib=usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$p/$lib/julia:$p/$lib:$p/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
exec "$p/usr/bin/julia" "$@"
WRAPPER
chmod +x "$prefix/julia"
"$prefix/julia" --version
