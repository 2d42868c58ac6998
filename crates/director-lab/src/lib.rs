//! Network laboratories for load balancers: namespaces, scenarios, traffic and real IPVS on any Linux
