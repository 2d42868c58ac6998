# A snapshot fits the schema; with an argument, the table says that.
set -e
"$DIRECTOR" status --json > snapshot.json
"$DIRECTOR" control-schema --check Snapshot < snapshot.json
"$DIRECTOR" status > status.txt
test "$(wc -L < status.txt)" -le 100
[ $# -eq 0 ] || grep -q "$1" status.txt || { cat status.txt; exit 1; }
