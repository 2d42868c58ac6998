# The longest time between two advertisements. They are sent every second, so one that is missing makes two seconds; less is
# one that a busy machine has sent late.
awk '
    NR > 1 { gap = $1 - last; if (gap > worst) worst = gap }
    { last = $1 }
    END {
        printf "%d adverts, the longest gap was %.3f s\n", NR, worst
        exit !(NR >= 10 && worst < 1.9)
    }' adverts
