# Another build of the program, which hands over more than this one knows (its feature `later-handover`); scripts/other-build
# makes it. Without it the same build is used.
other=${OTHER_DIRECTOR:-$(dirname "$DIRECTOR")/director-later}
[ -x "$other" ] || other=$DIRECTOR
if [ "$1" = --check ]; then
    "$DIRECTOR" status | head -n 1
    [ "$other" = "$DIRECTOR" ] || "$DIRECTOR" status | grep -q "^director $("$other" --version | cut -d " " -f 2) "
    exit
fi
exec "$other" "$@"
