# Sourced by the scripts here: `try PACKAGE==VERSION... <<'PYTHON'` runs Python text with these packages, which are
# installed into a temporary directory that is gone afterwards. The text runs in that directory.
set -eu

try() {
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    python3 -m venv "$place/venv"
    "$place/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    cd "$place"
    PATH="$place/venv/bin:$PATH" "$place/venv/bin/python" -
}
