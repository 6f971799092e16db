# Shared by the scripts beside it: messages, where the tools are, when work can be skipped.
# Source it; it changes to the repository's root.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1

readonly ROOT
readonly VENV="$ROOT/.venv"
readonly LOGS="$ROOT/build/logs"
export NEEDS_PYTHON=3.11 # used by the scripts that source this
export NEEDS_RUST=1.88
export CARGO_NET_RETRY="${CARGO_NET_RETRY:-5}"
mkdir -p "$LOGS"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  printf '%s: error: %s\n' "${0##*/}" "$1" >&2
  shift
  for hint in "$@"; do printf 'hint: %s\n' "$hint" >&2; done
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# at_least HAVE WANTED: compares dotted versions.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# logged NAME COMMAND...: runs the command with its output in build/logs/NAME.log; shows the end
# of it when the command fails.
logged() {
  local log="$LOGS/$1.log"
  shift
  "$@" >"$log" 2>&1 </dev/null && return 0
  tail -n 25 "$log" >&2
  say "the command was: $*"
  say "all it said: ${log#"$ROOT"/}"
  return 1
}

# stamp_is NAME TEXT / set_stamp NAME TEXT: what a step was last done for, kept in .venv.
stamp_is() { [ "$(cat "$VENV/.stamp-$1" 2>/dev/null)" = "$2" ]; }
set_stamp() { printf '%s\n' "$2" >"$VENV/.stamp-$1"; }

# rust_version: of the rustc that would run, or nothing.
rust_version() {
  has cargo && cargo --version >/dev/null 2>&1 || return 0
  rustc --version 2>/dev/null | cut -d ' ' -f 2
}

# use_rust: puts a new enough cargo first on PATH, or fails. Looks at PATH as it is, then at
# rustup's folder, then where distributions keep versions beside their default one.
use_rust() {
  local before=$PATH folder
  for folder in "" "$HOME/.cargo/bin" $(printf '%s\n' /usr/lib/rust-*/bin | sort -rV); do
    PATH=${folder:+$folder:}$before
    at_least "$(rust_version)" "$NEEDS_RUST" && return 0
  done
  PATH=$before
  has rustup || return 1
  at_least "$(RUSTUP_TOOLCHAIN=stable rust_version)" "$NEEDS_RUST" || return 1
  export RUSTUP_TOOLCHAIN=stable
}

# in_venv: makes cargo, maturin and pyo3 use the project's own Python.
in_venv() {
  [ -x "$VENV/bin/python" ] || die "there is no .venv" "run scripts/setup first"
  export VIRTUAL_ENV=$VENV PATH="$VENV/bin:$PATH" PYO3_PYTHON="$VENV/bin/python"
}
