//! Health checks of servers: probes, their schedule, and verdicts that carry their reason
