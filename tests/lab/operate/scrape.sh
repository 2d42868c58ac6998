# The listener answers as Prometheus asks.
python3 - <<'P'
import urllib.request
request = urllib.request.Request("http://127.0.0.1:9650/metrics", headers={"Accept": "application/openmetrics-text"})
answer = urllib.request.urlopen(request)
page = answer.read().decode()
assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers
assert page.endswith("# EOF\n") and "director_virtual_server_quorum{" in page, page
P
