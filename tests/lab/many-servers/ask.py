# Asks as `director status --json` and as Prometheus do, 10 times each, and says what that took. The times are told, not
# judged: this kernel is a guest, and the machine may be busy. What is judged are the advertisements.
import json, socket, time, urllib.request

CALL = b'{"version":1,"request":{"type":"status"}}\n'


def status():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/run/director/control.sock")
        began = time.monotonic()
        s.sendall(CALL)
        line = s.makefile("rb").readline()
        return time.monotonic() - began, line


def scrape():
    began = time.monotonic()
    page = urllib.request.urlopen("http://127.0.0.1:9650/metrics").read()
    return time.monotonic() - began, page


def told(what, times, size):
    times = sorted(times)
    print(f"{what}: best {times[0]*1000:.0f} ms, median {times[len(times)//2]*1000:.0f} ms, worst {times[-1]*1000:.0f} ms, {size} bytes")


statuses = [status() for _ in range(10)]
snapshot = json.loads(statuses[-1][1])["response"]["snapshot"]
count = sum(len(server["real_servers"]) for server in snapshot["virtual_servers"])
assert count == 10_000, count
assert all(real.get("kernel_weight") == 1 for server in snapshot["virtual_servers"] for real in server["real_servers"])
told("snapshot", [seconds for seconds, _ in statuses], len(statuses[-1][1]))
scrapes = [scrape() for _ in range(10)]
assert b"director_real_server_series_left_out 1" in scrapes[-1][1]
assert scrapes[-1][1].count(b"\n") < 10_000, "bounded"
told("scrape", [seconds for seconds, _ in scrapes], len(scrapes[-1][1]))
lag = snapshot["loop_lag"]
print(f"the loop was late by {lag['worst_minute_seconds']*1000:.0f} ms at most in this minute")
