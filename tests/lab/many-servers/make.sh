# 100 virtual servers with 100 real servers each. They are not checked: this is about looking.
{
    cat <<'C'
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        192.168.10.100/24
    }
}
C
    awk 'BEGIN {
        for (v = 1; v <= 100; v++) {
            printf "virtual_server 192.168.10.100 %d {\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n", 8000 + v
            for (r = 1; r <= 100; r++)
                printf "    real_server 10.1.%d.%d 80 {\n        weight 1\n    }\n", v, r
            print "}"
        }
    }'
} >many.conf
