# Writes down when each advertisement of lb1 arrives, in seconds.
: > adverts
tcpdump -i eth0 -n -tt -l 'ip proto 112 and src 192.168.10.11' 2>tcpdump.log |
    while read -r time rest; do
        echo "$time" >> adverts
    done &
until grep -q '^listening' tcpdump.log; do sleep 0.1; done
echo watching
wait
