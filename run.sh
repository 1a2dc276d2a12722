#!/usr/bin/env bash
# Installs what is needed into .venv, then starts.
#
#   bash run.sh                  the web server
#   bash run.sh ARGS...          python -m emotion ARGS..., say: recognize a.wav, models, download NAME
#   bash run.sh test [ARGS...]   the tests; ARGS go to pytest, paths in them count from the project
#   bash run.sh check            the linter and the type checker
#
# PYTHON chooses the interpreter that .venv is made with; 3.10 is the oldest that works.
# TORCH_INDEX_URL chooses the index that torch is installed from, and with it torch's build:
#   https://download.pytorch.org/whl/cpu     no CUDA: a few hundred megabytes instead of about 5 GB
#   https://download.pytorch.org/whl/cu126   CUDA 12.6, for drivers from 525 on
# The choice is remembered; TORCH_INDEX_URL= (empty) goes back to the default.

set -euo pipefail

project="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
venv="$project/.venv"
venv_python="$venv/bin/python"
# Where torch was installed from: the index, then the requirement. Absent for the default index.
torch_record="$venv/torch-index"

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
  [[ "$1" != requirements.txt ]] || printf 'torch from %s\n' "${torch_index:-the default index}"
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

has_card() {
  [[ -d /proc/driver/nvidia/gpus ]] || command -v nvidia-smi >/dev/null
}

# Installs torch alone, where it is to come from an index of its own, or did until now. Pip takes
# any build of a version for the one asked for, hence --force-reinstall. The rest of the
# requirements brings what torch needs.
install_torch() {
  local line requirement=""
  [[ -n "$torch_index" || -f "$torch_record" ]] || return 0
  while IFS= read -r line; do
    [[ "$line" != torch==* ]] || requirement="$line"
  done <"$project/requirements.txt"
  [[ ! -f "$torch_record" ||
    "$(<"$torch_record")" != "$torch_index"$'\n'"$requirement" ]] || return 0
  say "installing $requirement from ${torch_index:-the default index}"
  "$venv_python" -I -m pip install --no-input --disable-pip-version-check --force-reinstall \
    --no-deps ${torch_index:+--index-url "$torch_index"} "$requirement" >&2 ||
    die "installing $requirement from ${torch_index:-the default index} failed, pip says why above; check TORCH_INDEX_URL and the network, then try again"
  if [[ -n "$torch_index" ]]; then
    printf '%s\n%s\n' "$torch_index" "$requirement" >"$torch_record"
  else
    rm -f -- "$torch_record"
  fi
}

# Says how to save 5 GB: on Linux the default build of torch brings all of CUDA.
note_cpu_build() {
  [[ -z "$torch_index" && "$OSTYPE" == linux* && "$HOSTTYPE" == x86_64 ]] || return 0
  has_card || say "no NVIDIA card here; without CUDA torch takes a few hundred megabytes instead" \
    "of about 5 GB: TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu bash run.sh"
}

install() {
  local file="$1" stamp="$venv/installed-$1"
  [[ "$file" != requirements.txt || -f "$stamp" ]] || note_cpu_build
  # The stamp is written last: whatever is interrupted is done again.
  rm -f -- "$stamp"
  say "installing $file (once, a few minutes)"
  [[ "$file" != requirements.txt ]] || install_torch
  # -I: packages on the caller's PYTHONPATH do not count as installed.
  # -c: the pins of requirements.txt hold for the developers' packages, too.
  "$venv_python" -I -m pip install --no-input --disable-pip-version-check \
    -r "$project/$file" -c "$project/requirements.txt" >&2 ||
    die "installing $file failed, pip says why above; check the network and the disk, then try again"
  stamp_of "$file" >"$stamp.new"
  mv -f -- "$stamp.new" "$stamp"
  # Warns of a torch that cannot use this machine's card; the programs themselves warn, too.
  [[ "$file" != requirements.txt ]] || "$venv_python" -m emotion.inference.gpu_check >&2 || true
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

# Programs that pip cannot install; .ci/run installs them on Debian.
note_missing_programs() {
  command -v ffmpeg >/dev/null ||
    say "no ffmpeg here, the tests use the bundled one only; to test the system's too: apt install ffmpeg"
  [[ -x /usr/bin/chromium ]] ||
    say "no /usr/bin/chromium here, the browser tests are skipped: apt install chromium"
}

[[ $# -gt 0 ]] || set -- serve
torch_index=""
if [[ -n "${TORCH_INDEX_URL+set}" ]]; then
  torch_index="$TORCH_INDEX_URL"
elif [[ -f "$torch_record" ]]; then
  IFS= read -r torch_index <"$torch_record"
fi
# The package is found from any working directory, and nothing there shadows it (Python >= 3.11).
export PYTHONPATH="$project${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
case "$1" in
  test)
    shift
    ensure requirements.txt requirements-dev.txt
    note_missing_programs
    cd -- "$project"
    # One process per core, with one torch thread each; a file's tests run in the same process.
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
    exec "$venv_python" -m pytest -n logical --maxprocesses 4 --dist loadfile "$@"
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
