//! VRRP versions 2 and 3 as a sans-I/O library: packets, authentication and the state machine
