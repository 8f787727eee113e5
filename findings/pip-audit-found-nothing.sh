#!/bin/sh
# pip-audit says "No known vulnerabilities found" with exit status 0 where its service knew none of the packages, as behind a mirror; only with --strict it fails.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pip-audit==2.10.1
"$folder/venv/bin/pip-audit" --version
# No index has it, so nothing can be said of it.
echo 'not-a-package-of-anybodys==1.0' > "$folder/requirements.txt"
look() {
  status=0
  "$folder/venv/bin/pip-audit" --progress-spinner off -r "$folder/requirements.txt" --no-deps --disable-pip "$@" \
    > "$folder/told" 2>&1 || status=$?
  echo "exit status $status: $(grep -oE 'No known vulnerabilities found|could not be audited' "$folder/told" | head -1)"
}
plain=$(look)
strict=$(look --strict)
printf '%s\n' "pip-audit: $plain" "pip-audit --strict: $strict"
[ "$plain" = 'exit status 0: No known vulnerabilities found' ]
[ "$strict" = 'exit status 1: could not be audited' ]
