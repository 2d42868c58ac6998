# The longest time between two advertisements. They are sent every second; 0.5 s more is for a busy machine, and still less
# than one that is missing.
awk '
    NR > 1 { gap = $1 - last; if (gap > worst) worst = gap }
    { last = $1 }
    END {
        printf "%d adverts, the longest gap was %.3f s\n", NR, worst
        exit !(NR >= 10 && worst < 1.5)
    }' adverts
