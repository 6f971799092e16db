# What setup needs to know about the machine's packages. Sourced by scripts/setup after lib.sh.
# shellcheck shell=bash

APT_LISTS_FRESH=no

# as_root COMMAND...: runs it as root, if that is possible without asking anybody.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# may_install: whether system packages can be installed here at all.
may_install() {
  [ "${OUTGATE_SYSTEM_PACKAGES:-yes}" = yes ] && has apt-get || return 1
  [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }
}

refresh_apt_lists() {
  [ "$APT_LISTS_FRESH" = no ] || return 0
  APT_LISTS_FRESH=yes
  say "reading the list of system packages (apt-get update)"
  logged apt-update as_root apt-get update -q || say "the list could not be read anew; going on with the old one"
}

# apt_version PACKAGE: the version that would be installed, without epoch; nothing if none.
apt_version() {
  LC_ALL=C apt-cache policy "$1" 2>/dev/null |
    sed -n 's/^  Candidate: \([0-9]*:\)\{0,1\}//p' | grep -v '(none)'
}

# apt_offers PACKAGE VERSION: whether apt has the package in this version or a later one.
apt_offers() {
  local version
  version=$(apt_version "$1") || return 1
  at_least "$version" "$2"
}

# apt_known PACKAGE...: those of them that exist.
apt_known() {
  local package
  for package in "$@"; do
    if apt_version "$package" >/dev/null; then printf '%s\n' "$package"; fi
  done
}

apt_install() {
  logged apt-install as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends -o Acquire::Retries=3 "$@"
}

# python_works COMMAND: it runs, it is new enough, and it can make virtual environments.
python_works() {
  has "$1" && "$1" -c "import sys, venv, ensurepip
sys.exit(sys.version_info < tuple(map(int, '$NEEDS_PYTHON'.split('.'))))" >/dev/null 2>&1
}

find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if python_works "$name"; then command -v "$name" && return 0; fi
  done
  return 1
}

# python_packages: of the first Python that is new enough; the usual name where apt knows nothing.
python_packages() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if apt_offers "$name" "$NEEDS_PYTHON"; then break; fi
    name=python3
  done
  printf '%s\n' "$name" "$name-venv"
}

# rust_packages EXTRAS: the first family of packages with a new enough Rust. Debian carries one for
# its browsers (-web), Ubuntu several side by side (-1.89). Otherwise rustup, which downloads it.
# With EXTRAS (any text), rustfmt and clippy too.
rust_packages() {
  local version
  if apt_offers rustc "$NEEDS_RUST"; then
    apt_known rustc cargo ${1:+rustfmt rust-clippy}
  elif apt_offers rustc-web "$NEEDS_RUST"; then
    apt_known rustc-web cargo-web ${1:+rustfmt-web rust-web-clippy}
  elif version=$(newest_versioned_rust); then
    apt_known "rustc-$version" "cargo-$version" ${1:+"rustfmt-$version" "rust-$version-clippy"}
  else
    has rustup || printf '%s\n' rustup
  fi
}

newest_versioned_rust() {
  local version
  version=$(apt-cache pkgnames rustc-1. | sed -n 's/^rustc-\(1\.[0-9]*\)$/\1/p' | sort -rV | head -n 1)
  [ -n "$version" ] && at_least "$version" "$NEEDS_RUST" && printf '%s\n' "$version"
}
