#!/usr/bin/env bash
# Installs what is needed into .venv, then starts.
#
#   bash run.sh                  the web server
#   bash run.sh ARGS...          python -m emotion ARGS..., say: recognize a.wav, models, download NAME
#   bash run.sh test [ARGS...]   the tests; ARGS go to pytest, paths in them count from the project
#   bash run.sh check            the linter and the type checker
#
# PYTHON chooses the interpreter that .venv is made with; 3.10 is the oldest that works.

set -euo pipefail

project="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
venv="$project/.venv"
venv_python="$venv/bin/python"

say() { printf 'run.sh: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# Prints "3.11" for an interpreter that works, nothing for one that does not.
version_of() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

supported() {
  [[ "$1" =~ ^3\.([0-9]+)$ ]] && ((BASH_REMATCH[1] >= 10))
}

# Sets $python: $PYTHON; or python3 unless it is newer than what was tested; or any that works.
find_python() {
  local version candidate
  if [[ -n "${PYTHON:-}" ]]; then
    version="$(version_of "$PYTHON")"
    [[ -n "$version" ]] || die "PYTHON is '$PYTHON', which does not run"
    supported "$version" || die "PYTHON is '$PYTHON', Python $version, but 3.10 or newer is needed"
    python="$PYTHON"
    return
  fi
  version="$(version_of python3)"
  if [[ "$version" =~ ^3\.1[0-3]$ ]]; then
    python=python3
    return
  fi
  for candidate in python3.13 python3.12 python3.11 python3.10 python3 python; do
    if supported "$(version_of "$candidate")"; then
      python="$candidate"
      return
    fi
  done
  die "Python 3.10 or newer is needed${version:+, but python3 is $version}; install it, or set PYTHON to one"
}

make_venv() {
  local output
  find_python
  say "making .venv with $python"
  if ! output="$("$python" -m venv --clear "$venv" 2>&1)"; then
    # Debian splits venv off, and its own message names the package only after a screenful.
    if [[ "$output" == *ensurepip* || "$output" == *"No module named venv"* ]]; then
      die "$python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"
    fi
    die "making .venv failed: ${output##*$'\n'}"
  fi
}

# What a finished installation of a file looks like: the interpreter, then the file itself.
stamp_of() {
  printf 'python %s\n' "$(version_of "$venv_python")"
  cat -- "$project/$1"
}

fresh() {
  [[ -f "$venv/installed-$1" && "$(<"$venv/installed-$1")" == "$(stamp_of "$1")" ]]
}

all_fresh() {
  local file
  for file in "$@"; do
    fresh "$file" || return 1
  done
}

install() {
  local file="$1" stamp="$venv/installed-$1"
  # The stamp is written last: whatever is interrupted is done again.
  rm -f -- "$stamp"
  say "installing $file (once, a few minutes)"
  # -I: packages on the caller's PYTHONPATH do not count as installed.
  # -c: the pins of requirements.txt hold for the developers' packages, too.
  "$venv_python" -I -m pip install --no-input --disable-pip-version-check \
    -r "$project/$file" -c "$project/requirements.txt" >&2 ||
    die "installing $file failed, pip says why above; check the network and the disk, then try again"
  stamp_of "$file" >"$stamp.new"
  mv -f -- "$stamp.new" "$stamp"
}

# Brings .venv up to the given requirement files; nothing is run but Python itself if it already is.
ensure() {
  local file
  all_fresh "$@" && return
  exec 9<"$project/run.sh"
  if command -v flock >/dev/null && ! flock -n 9 2>/dev/null; then
    say "waiting for another run.sh to finish installing"
    flock 9 2>/dev/null || true
  fi
  if ! supported "$(version_of "$venv_python")" ||
    ! "$venv_python" -I -m pip --version >/dev/null 2>&1; then
    make_venv
  fi
  for file in "$@"; do
    fresh "$file" || install "$file"
  done
  exec 9<&-
}

# Some tests need programs that pip cannot install; .ci/run installs them on Debian.
note_missing_programs() {
  command -v ffmpeg >/dev/null || say "no ffmpeg here, some tests will fail: apt install ffmpeg"
  command -v chromium >/dev/null || command -v google-chrome >/dev/null ||
    say "no chromium here, the browser tests will fail: apt install chromium"
}

[[ $# -gt 0 ]] || set -- serve
# The package is found from any working directory, and nothing there shadows it (Python >= 3.11).
export PYTHONPATH="$project${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
case "$1" in
  test)
    shift
    ensure requirements.txt requirements-dev.txt
    note_missing_programs
    cd -- "$project"
    exec "$venv_python" -m pytest "$@"
    ;;
  check)
    ensure requirements.txt requirements-dev.txt
    exec bash "$project/scripts/check"
    ;;
  *)
    ensure requirements.txt
    exec "$venv_python" -m emotion "$@"
    ;;
esac
