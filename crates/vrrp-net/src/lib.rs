//! VRRP on Linux: raw sockets, gratuitous ARP, virtual addresses and a thread that keeps the timers
