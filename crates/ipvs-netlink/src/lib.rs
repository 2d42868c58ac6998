//! Client of the Linux IPVS generic-netlink family: services, destinations, snapshots, differences and batches
